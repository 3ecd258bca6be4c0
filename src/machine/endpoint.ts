import { isIPv4, isIPv6 } from 'node:net';
import { refusal, within } from '../options/fields.ts';

/** The end of a connection. */
export interface Endpoint {
  /** Its address, such as `10.0.0.1`, `2001:db8::1`, or `::ffff:10.0.0.1` on a socket of IPv6. */
  readonly address: string;
  /** Its port. */
  readonly port: number;
}

/** Which ends a filter lets through. */
export interface EndpointFilter {
  /** The bytes of an address, of which the first `prefix` bits count. None mean any address. */
  readonly bytes: readonly number[];
  readonly prefix: number;
  readonly port: number | undefined;
}

const EXPECTED =
  "a port, an address, a CIDR block, or two of these as '10.0.0.0/8:5432' or '[2001:db8::/32]:5432'";

const aPort = within({ min: 1, max: 65_535, unit: '' });

/**
 * Reads `5432`, `':5432'`, `'10.0.0.1'`, `'10.0.0.0/8:5432'`, `'2001:db8::/32'` or `'[::1]:5432'`.
 *
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`
 */
export function parseEndpoint(value: unknown, name: string): EndpointFilter {
  if (typeof value === 'number') return { bytes: [], prefix: 0, port: aPort(value, name) };
  const [host, port] = typeof value === 'string' ? partsOf(value) : [];
  const [address = '', prefix, ...more] = host?.split('/') ?? [];
  const bytes = address === '' && prefix === undefined ? [] : bytesOf(address);
  if (host === undefined || bytes === undefined || more.length > 0 || value === '') {
    throw refusal(`\`${name}\` to be ${EXPECTED}`, value);
  }
  return {
    bytes,
    prefix: prefix === undefined ? bytes.length * 8 : prefixOf(prefix, bytes.length * 8, name),
    port: port === undefined ? undefined : aPort(Number(port), name),
  };
}

/** The host, in brackets or not, and the port. An address of IPv6 without brackets has no port. */
function partsOf(text: string): [host: string | undefined, port?: string | undefined] {
  if (isIPv6(text.split('/')[0] ?? '')) return [text];
  const [, bracketed, plain, port] = /^(?:\[(.*)\]|([^:[\]]*))(?::(\d+))?$/.exec(text) ?? [];
  return [bracketed ?? plain, port];
}

function prefixOf(text: string, most: number, name: string): number {
  const prefix = /^\d+$/.test(text) ? Number(text) : -1;
  return within({ min: 0, max: most, unit: 'bits' })(prefix, name);
}

/** An address's bytes. One with a zone, such as `fe80::1%eth0`, is no plain address. */
function bytesOf(address: string): number[] | undefined {
  if (isIPv4(address)) return address.split('.').map(Number);
  if (!isIPv6(address) || address.includes('%')) return undefined;
  const [head = [], tail] = address.split('::').map(groupsOf);
  if (tail === undefined) return [...head];
  return [...head, ...Array<number>(16 - head.length - tail.length).fill(0), ...tail];
}

function groupsOf(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group): number[] => {
    if (group.includes('.')) return group.split('.').map(Number);
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}

/** An end as people write it: `10.0.0.1:5432`, `[::1]:5432`. */
export function endText({ address, port }: Endpoint): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

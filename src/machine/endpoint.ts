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

/** The text of an IPv4 address at a place of a buffer. */
export function textOfIpv4(bytes: Uint8Array, at: number): string {
  return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
}

/** The text of an IPv6 address, in the form of RFC 5952. */
export function textOfIpv6(bytes: Uint8Array, at: number): string {
  const groups = Array.from(
    { length: 8 },
    (_, i) => ((bytes[at + 2 * i] ?? 0) << 8) | (bytes[at + 2 * i + 1] ?? 0),
  );
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    return `::ffff:${textOfIpv4(bytes, at + 12)}`;
  }
  const [begin, length] = longestZeros(groups);
  const text = groups.map((group) => group.toString(16));
  if (length < 2) return text.join(':');
  return `${text.slice(0, begin).join(':')}::${text.slice(begin + length).join(':')}`;
}

function longestZeros(groups: readonly number[]): [begin: number, length: number] {
  let longest: [number, number] = [0, 0];
  let length = 0;
  for (const [i, group] of groups.entries()) {
    length = group === 0 ? length + 1 : 0;
    if (length > longest[1]) longest = [i + 1 - length, length];
  }
  return longest;
}

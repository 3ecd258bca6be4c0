import { invalidOption } from '../options/errors.ts';
import { anything, isObject, readFields, refusal } from '../options/fields.ts';

// Hosts and ports as rules name them. This file imports nothing of Node, so that a browser can check them.

/**
 * Checks a name, an address or a CIDR block.
 *
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`
 */
export function checkHost(host: unknown): string {
  const outOfRange = typeof host === 'string';
  if (outOfRange && (isAddress(host) || isCidr(host) || isName(host))) return host;
  throw refusal("a host's name, its address or a CIDR block such as 10.0.0.0/8", host, { outOfRange });
}

/** All ports from the first to the second, both included. */
export type Ports = readonly [from: number, to: number];

/**
 * Checks a port, or a range of them: `5432`, `'5000-5999'`, `{ from: 5000, to: 5999 }`.
 *
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`
 */
export function checkPort(port: unknown): Ports {
  if (typeof port === 'string') return checkRangeText(port);
  if (Array.isArray(port)) throw refusal('a port or a range', port, { hint: spellingOf(port) });
  if (!isObject(port)) return checkRange(port, port);
  const { from, to } = readFields('a range { from, to }', port, { from: anything, to: anything });
  return checkRange(from, to);
}

function checkRangeText(text: string): Ports {
  const [, from, to] = /^(\d+)-(\d+)$/.exec(text) ?? [];
  if (from !== undefined && to !== undefined) return checkRange(Number(from), Number(to));
  throw refusal("a port from 1 to 65535, or a range such as '5000-5999'", text);
}

function checkRange(from: unknown, to: unknown): Ports {
  if (!isPort(from)) throw notAPort(from);
  if (!isPort(to)) throw notAPort(to);
  if (from <= to) return [from, to];
  throw invalidOption(
    `Expected the lower port of a range first, got ${from} and ${to}; did you mean ${to}-${from}?`,
    RangeError,
  );
}

/** Until 0.2 a range in a list was a pair. */
function spellingOf([from, to = from, ...others]: readonly unknown[]): string {
  if (others.length > 0 || !isPort(from) || !isPort(to)) return '';
  return `; write ${from === to ? from : `'${from}-${to}'`}`;
}

/** Whether a host is a name. Digits and dots alone are an address with a mistake in it, as are other numbers. */
export function isName(host: string): boolean {
  return /^[^\s/:;=,*[\]-][^\s/:;=,*[\]]*$/.test(host) && !/^(?:[\d.]+|0x[\da-f]*)$/i.test(host);
}

function isPort(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 65_535;
}

function notAPort(value: unknown): Error {
  return refusal('a port from 1 to 65535', value, { outOfRange: typeof value === 'number' });
}

function isCidr(host: string): boolean {
  const [address = '', prefix = '', ...rest] = host.split('/');
  const bits = isIPv4(address) ? 32 : isIPv6(address) ? 128 : -1;
  return rest.length === 0 && /^\d{1,3}$/.test(prefix) && Number(prefix) <= bits;
}

function isAddress(host: string): boolean {
  return isIPv4(host) || isIPv6(host);
}

function isIPv4(host: string): boolean {
  return /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/.test(host);
}

/** A link-local address may come with its interface: `fe80::1%eth0`. */
function isIPv6(host: string): boolean {
  const [, address] = /^([\da-f:.]+)(?:%[\da-z.:-]+)?$/i.exec(host) ?? [];
  return address !== undefined && URL.canParse(`http://[${address}]`);
}

import { domainToASCII } from 'node:url';
import { isName } from './target.ts';

// A process may have hundreds of rules for one port. net.BlockList needs 3 µs to answer for one of them, so addresses are
// compared here: those of IPv4 as numbers, those of IPv6 as 32 hexadecimal digits, which have the order of their
// addresses.

/** The hosts of a rule, in the form in which peers are compared with them. */
export interface Hosts {
  readonly names: ReadonlySet<string>;
  readonly ranges: readonly AddressRange[];
}

/** The addresses from the first to the last, both included. */
interface AddressRange {
  readonly from: number | string;
  readonly to: number | string;
  /** The interface of a link-local address: `eth0`. */
  readonly zone: string | undefined;
}

/** A connection's peer: the name that was looked up for it, and its address. */
export interface Peer {
  readonly name: string | undefined;
  readonly address: number | string;
  readonly zone: string | undefined;
}

export function hostsOf(hosts: readonly string[]): Hosts {
  return {
    names: new Set(hosts.filter(isName).map(plainName)),
    ranges: hosts.filter((host) => !isName(host)).map(rangeOf),
  };
}

export function peerOf(name: string | undefined, address: string): Peer {
  const [bare = '', zone] = address.split('%');
  return { name: name === undefined ? undefined : plainName(name), address: comparable(bare), zone };
}

/** The hosts of several rules, in which one look finds the first rule that is for a peer. */
export class HostIndex {
  /** The place of the first rule that is for any peer; the number of rules if none is. */
  readonly #forAny: number;
  readonly #byName = new Map<string, number>();
  // The families are apart: to be of one is part of being equal or between.
  readonly #ofV4: RangeOfRule[] = [];
  readonly #ofV6: RangeOfRule[] = [];

  /** @param hosts - those of each rule, in the order of the rules; `undefined` for any peer */
  constructor(hosts: readonly (Hosts | undefined)[]) {
    const forAny = hosts.indexOf(undefined);
    this.#forAny = forAny === -1 ? hosts.length : forAny;
    for (const [rule, each] of hosts.slice(0, this.#forAny).entries()) this.#add(rule, each as Hosts);
  }

  /** Whether a peer has to be known, because some rules are for certain peers only. */
  get asksForPeer(): boolean {
    return this.#forAny > 0;
  }

  /** Returns the place of the first rule that is for a peer; the number of rules if none is. */
  firstFor({ name, address, zone }: Peer): number {
    const most = (name !== undefined ? this.#byName.get(name) : undefined) ?? this.#forAny;
    for (const range of typeof address === 'number' ? this.#ofV4 : this.#ofV6) {
      if (range.rule >= most) break;
      const isBetween = range.from <= address && address <= range.to;
      if (isBetween && (range.zone === undefined || range.zone === zone)) return range.rule;
    }
    return most;
  }

  #add(rule: number, { names, ranges }: Hosts): void {
    for (const name of names) if (!this.#byName.has(name)) this.#byName.set(name, rule);
    for (const range of ranges) {
      (typeof range.from === 'number' ? this.#ofV4 : this.#ofV6).push({ ...range, rule });
    }
  }
}

interface RangeOfRule extends AddressRange {
  readonly rule: number;
}

/** A name as it is compared: in lower case, in ASCII (`xn--bcher-kva.example`), without the dot of the root. */
function plainName(name: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters of ASCII.
  const ascii = /^[\u0000-\u007f]*$/.test(name) ? name : domainToASCII(name) || name;
  return ascii.toLowerCase().replace(/\.$/, '');
}

const V4_BITS = 32;
const V6_BITS = 128;
/** The bits before the IPv4 address in one that is mapped into IPv6, `::ffff:10.0.0.5`. */
const MAPPED_BITS = V6_BITS - V4_BITS;
const MAPPED = `${'0'.repeat(20)}ffff`;

/** The range of an address or a CIDR block. */
function rangeOf(host: string): AddressRange {
  const [address = '', prefix] = host.split('/');
  const [bare = '', zone] = address.split('%');
  const value = comparable(bare);
  if (prefix === undefined) return { from: value, to: value, zone };
  const bits = Number(prefix);
  if (typeof value === 'string') return { ...blockOfV6(value, bits), zone };
  // A block of mapped addresses is one of IPv4, or reaches beyond them.
  if (!bare.includes(':')) return { ...blockOfV4(value, bits), zone };
  if (bits >= MAPPED_BITS) return { ...blockOfV4(value, bits - MAPPED_BITS), zone };
  return { ...blockOfV6(digitsOf(bare), bits), zone };
}

function blockOfV4(address: number, bits: number): { from: number; to: number } {
  const size = 2 ** (V4_BITS - bits);
  const from = Math.floor(address / size) * size;
  return { from, to: from + size - 1 };
}

function blockOfV6(digits: string, bits: number): { from: string; to: string } {
  const rest = BigInt(V6_BITS - bits);
  const from = (BigInt(`0x${digits}`) >> rest) << rest;
  const to = from + (1n << rest) - 1n;
  const shown = (value: bigint) => value.toString(16).padStart(V6_BITS / 4, '0');
  return { from: shown(from), to: shown(to) };
}

/** An address in the form in which it is compared. An IPv4 address that is mapped into IPv6 is one of IPv4. */
function comparable(address: string): number | string {
  if (!address.includes(':')) return numberOf(address);
  const digits = digitsOf(address);
  return digits.startsWith(MAPPED) ? Number.parseInt(digits.slice(MAPPED.length), 16) : digits;
}

function numberOf(address: string): number {
  return address.split('.').reduce((value, byte) => value * 256 + Number(byte), 0);
}

/** The 32 hexadecimal digits of an IPv6 address: `fd00::1` has 28 zeros. */
function digitsOf(address: string): string {
  const [, front = address, dotted] = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(address) ?? [];
  const last = dotted === undefined ? '' : numberOf(dotted).toString(16).padStart(8, '0');
  const [before = '', after] = front.split('::');
  const head = groupsOf(before);
  const tail = (after === undefined ? '' : groupsOf(after)) + last;
  return after === undefined ? head + last : head + '0'.repeat(32 - head.length - tail.length) + tail;
}

function groupsOf(text: string): string {
  const groups = text.split(':').filter((group) => group !== '');
  return groups.map((group) => group.toLowerCase().padStart(4, '0')).join('');
}

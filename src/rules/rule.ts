import { inContext, invalidOption } from '../options/errors.ts';
import { anything, readable, readFields, refusal } from '../options/fields.ts';
import type { KeepAliveInput, KeepAliveSettings } from '../options/options.ts';
import { parseKeepAliveOptions } from '../options/parse.ts';
import { warnOnce } from '../sockets/report.ts';
import { type Hosts, hostsOf } from './peers.ts';
import { checkHost, checkPort, type Ports } from './target.ts';

/** All ports from the first to the second, both included: as text, such as `'5000-5999'`, or as an object. */
export type PortRange = string | { readonly from: number; readonly to: number };

/** Which connections a process-wide rule matches, and what they get. A field left out matches any. */
export interface KeepAliveRule {
  /**
   * Which end this process is: `'client'` for connections that it opens, `'server'` for those that
   * its listeners accept.
   *
   * @default both
   */
  readonly side?: 'client' | 'server' | undefined;

  /**
   * The peer: a name as it was given to `connect()`, an address, or a CIDR block; or several. A name
   * is compared as it is written and never looked up, so that it fits no accepted connection.
   */
  readonly host?: string | readonly string[] | undefined;

  /**
   * The port connected to; on the server's side the port listened on. A number, a range such as
   * `'5000-5999'` or `{ from: 5000, to: 5999 }`, or a list of them.
   */
  readonly port?: number | PortRange | readonly (number | PortRange)[] | undefined;

  /** A preset's name, or options; `false` leaves these connections alone. */
  readonly use: KeepAliveInput | false;
}

/** A rule that was checked, in the form in which connections are compared with it. */
export interface CompiledRule {
  readonly rule: KeepAliveRule;
  /** The peers that it is for; `undefined` for any. */
  readonly hosts: Hosts | undefined;
  readonly ports: readonly Ports[];
  /** `false` exempts a connection. */
  readonly settings: KeepAliveSettings | false;
  /** How many attempts to connect, listeners, and connections that were accepted one by one it was for. */
  hits: number;
}

/** A connection, as rules are compared with it. */
export interface Connection {
  readonly side: 'client' | 'server';
  /** The name that was looked up for it. */
  readonly host?: string | undefined;
  /** The peer's address. */
  readonly address: string;
  /** The peer's port; on the server's side our own. */
  readonly port: number;
}

// Read unchecked, because compileRule checks each field, and the rule keeps what was written, for messages.
const ruleFields = { side: anything, host: anything, port: anything, use: anything };

/**
 * Checks and compiles rules. They are copied: changing them later changes nothing.
 *
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`, which names the rule by its number, from 1
 */
export function compileRules(rules: unknown): readonly CompiledRule[] {
  return readable('an array of rules', () => readRules(rules));
}

function readRules(rules: unknown): readonly CompiledRule[] {
  if (!Array.isArray(rules)) throw refusal('an array of rules', rules);
  // Not map(), which would leave holes among the rules unchecked.
  return Array.from(rules, (rule: unknown, index) => compileRule(rule, index + 1));
}

/** Whether a rule may be for a connection, of which only the port is known. */
export function speaksOf({ rule, ports }: CompiledRule, side: Connection['side'], port: number): boolean {
  if (rule.side !== undefined && rule.side !== side) return false;
  return ports.length === 0 || ports.some(([from, to]) => from <= port && port <= to);
}

function compileRule(input: unknown, number: number): CompiledRule {
  const at = <T>(key: string, check: () => T) => inContext(`rule ${number}${key}`, check);
  const rule = at('', () => readFields('an object { side, host, port, use }', input, ruleFields));
  const { side, host, port, use } = rule;
  const named = at(', `host`', () => several(host).map(checkHost));
  const hosts = named.length === 0 ? undefined : hostsOf(named);
  const settings = at(', `use`', () => use !== false && parseKeepAliveOptions(use as KeepAliveInput));
  at(', `side`', () => checkSide(side, hosts));
  return {
    rule: Object.freeze(rule as KeepAliveRule),
    hosts,
    ports: at(', `port`', () => portRanges(port)),
    settings,
    hits: 0,
  };
}

function checkSide(side: unknown, hosts: Hosts | undefined): void {
  if (side !== undefined && side !== 'client' && side !== 'server') {
    throw refusal("'client' or 'server'", side);
  }
  if (side === 'server' && hosts !== undefined && hosts.names.size > 0) {
    throw invalidOption(
      "Expected peers' addresses or CIDR blocks beside 'server', got a name, which they lack",
      TypeError,
    );
  }
}

function portRanges(port: unknown): readonly Ports[] {
  const ranges = several(port).map(checkPort);
  if (Array.isArray(port)) warnIfWasRange(port);
  return ranges;
}

/** Until 0.2 a list of two ports was a range. */
function warnIfWasRange([from, to, ...others]: readonly unknown[]): void {
  if (others.length > 0 || typeof from !== 'number' || typeof to !== 'number' || to - from < 2) return;
  warnOnce(
    'ERR_KEEPALIVE_TWO_PORTS',
    `The rule with \`port\` [${from}, ${to}] is for these two ports; it was ${from} to ${to}; write '${from}-${to}' for that`,
  );
}

/** The elements of an array, or a single value as an array; empty if it is `undefined`. */
function several(value: unknown): readonly unknown[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) return [value];
  // An empty list would match every host, which nobody means.
  if (value.length === 0) throw invalidOption('Expected one or several, got an empty array', RangeError);
  // A copy without holes, which map() would skip unchecked.
  return [...value];
}

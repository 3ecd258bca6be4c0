import { inContext, invalidOption } from '../options/errors.ts';
import type { KeepAliveInput } from '../options/options.ts';
import { parseKeepAliveOptions } from '../options/parse.ts';
import { presets } from '../options/presets.ts';
import { didYouMean, listed, quoted } from '../options/show.ts';
import { parseWords, wordsOf } from '../options/words.ts';
import { rulesByPort } from './by-port.ts';
import { isReap, parseReap, type RuleReaper } from './reap.ts';
import type { CompiledRule, Connection, KeepAliveRule } from './rule.ts';
import { checkHost, checkPort } from './target.ts';

/** A piece of the text, and the position of its first character, counted from 1. */
interface Piece {
  readonly text: string;
  readonly at: number;
}

/** Rules as they were written, whether all that they ask for has to be available, and what they ask of a reaper. */
export interface RuleText {
  readonly rules: readonly KeepAliveRule[];
  readonly strict: boolean;
  readonly reap: RuleReaper | undefined;
}

type Target = Omit<KeepAliveRule, 'use'>;

/**
 * Reads rules as they are written in an environment variable or on a command line:
 *
 * ```text
 * 5432=database; 10.0.0.0/8:6379=database,userTimeout=30s; [fd00::/8]:6379=fastFailover; listen:8080=websocket; 9090=off; *=byPort
 * ```
 *
 * A rule is `target=use`. The target is a port, a range of them (`5000-5999`), a host with or without
 * a port, or `*`, and matches outgoing connections; `listen:` (in any case) and a port, a range or `*`
 * matches accepted ones. An IPv6 address is in brackets. `use` is a preset's name, options as they are
 * typed, a preset and options that replace its own, or `off`. `*=byPort` stands for {@link rulesByPort}. With
 * the word `strict` among the rules it is an error if their options cannot be set here, and with `reap` or `reap=25s`
 * lost sockets are looked for.
 *
 * @param text - the rules
 * @param source - where they come from, for the error
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`, in one line that names the character at which the mistake is
 */
export function parseRuleText(text: string, source: string): RuleText {
  const items = split({ text, at: 1 }, ';').filter((item) => item.text !== '');
  const rules = items.filter((item) => item.text !== 'strict' && !isReap(item.text));
  const reap = items.filter((item) => isReap(item.text)).at(-1);
  return {
    rules: rules.flatMap((rule, index) => parseRule(rule, `${source}, rule ${index + 1}`)),
    strict: items.some((item) => item.text === 'strict'),
    reap: reap && inContext(`${source}, character ${reap.at}`, () => parseReap(reap.text)),
  };
}

function parseRule(rule: Piece, where: string): KeepAliveRule | readonly KeepAliveRule[] {
  const at = <T>(piece: Piece, parse: (text: string) => T) =>
    inContext(`${where}, character ${piece.at}`, () => parse(piece.text));
  const [target, use] = splitOnce(rule, '=');
  if (use === undefined || use.text.split(',').some((word) => /\s[^=]*=/.test(word.trim()))) {
    const hint = use === undefined ? '' : '; rules are separated by semicolons';
    return at(rule, (text) => {
      throw invalidOption(
        `Expected target=use, such as 5432=database, got ${orNothing(text)}${hint}`,
        RangeError,
      );
    });
  }
  const parsed = at(target, parseTarget);
  if (use.text === 'byPort') return at(target, expectAny) && rulesByPort;
  return { ...parsed, use: at(use, parseUse) };
}

function expectAny(text: string): true {
  if (text === '*') return true;
  throw invalidOption(
    `Expected \`*\` before \`=byPort\`, which is for every port, got ${quoted(text)}`,
    RangeError,
  );
}

function parseTarget(text: string): Target {
  if (text === '*') return { side: 'client' };
  const [, listen, ports] = /^(listen)(?::\s*(.*))?$/is.exec(text) ?? [];
  if (listen === undefined) return { side: 'client', ...parsePeer(text) };
  if (ports === undefined) {
    // `listen` could be a host's name, but hardly ever is.
    throw invalidOption(
      `Expected a port after \`listen\`, such as listen:8080 or listen:*, got ${orNothing(text)}`,
      RangeError,
    );
  }
  return ports === '*' ? { side: 'server' } : { side: 'server', port: parsePorts(ports) };
}

function parsePeer(text: string): Target {
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(text);
  if (bracketed !== null) return hostAndPort(bracketed[1] ?? '', bracketed[2]);
  const [host = '', port, ...rest] = text.split(':');
  if (rest.length > 0) {
    throw invalidOption(
      `Expected an IPv6 address in brackets, such as [fd00::1]:6379, got ${orNothing(text)}`,
      RangeError,
    );
  }
  if (port === undefined && /^-?\d+(-\d*)?$/.test(host)) return { port: parsePorts(host) };
  if (port !== undefined) expectNoSide(host, port);
  return hostAndPort(host, port);
}

/** Words that are hardly ever the name of a host, and often typed for an end or a protocol. */
function expectNoSide(word: string, port: string): void {
  const meant = { server: `listen:${port}`, accept: `listen:${port}`, client: port, tcp: port, port }[
    word.toLowerCase()
  ];
  if (meant === undefined) return;
  throw invalidOption(
    `Expected ${quoted(meant)}, got ${quoted(`${word}:${port}`)}; a host of this name is written with a dot, ${quoted(`${word}.:${port}`)}`,
    RangeError,
  );
}

function hostAndPort(host: string, port: string | undefined): Target {
  const checked = host === '*' ? {} : { host: checkHost(host) };
  return port === undefined ? checked : { ...checked, port: parsePorts(port) };
}

function parsePorts(text: string): number | string {
  if (!/^\d+(-\d+)?$/.test(text)) {
    throw invalidOption(`Expected a port or a range such as 5000-5999, got ${orNothing(text)}`, RangeError);
  }
  const port = text.includes('-') ? text : Number(text);
  checkPort(port);
  return port;
}

function parseUse(text: string): KeepAliveInput | false {
  if (text === 'off') return false;
  const words = text.split(',').map((word) => word.trim());
  const [first = ''] = words;
  if (!first.includes('=') && !Object.hasOwn(presets, first)) throw unknownUse(first);
  const input = parseWords(words);
  parseKeepAliveOptions(input);
  return input;
}

function unknownUse(word: string): Error {
  const names = Object.keys(presets);
  return invalidOption(
    `Expected a preset (${listed(names)}), options such as \`userTimeout=30s\`, or \`off\`, ` +
      `got ${orNothing(word)}${didYouMean(word, [...names, 'off', 'byPort'])}`,
    RangeError,
  );
}

/** The trimmed parts of a piece, each with its position. */
function split(piece: Piece, separator: string): Piece[] {
  let at = piece.at;
  return piece.text.split(separator).map((part) => {
    const begin = at;
    at += part.length + separator.length;
    return trimmed(part, begin);
  });
}

/** The trimmed parts of a piece before and after the first separator. */
function splitOnce({ text, at }: Piece, separator: string): [Piece, Piece | undefined] {
  const end = text.indexOf(separator);
  if (end < 0) return [trimmed(text, at), undefined];
  return [
    trimmed(text.slice(0, end), at),
    trimmed(text.slice(end + separator.length), at + end + separator.length),
  ];
}

function trimmed(text: string, at: number): Piece {
  return { text: text.trim(), at: at + text.length - text.trimStart().length };
}

function orNothing(text: string): string {
  return text === '' ? 'nothing' : quoted(text);
}

/** A rule in the form of `TCP_KEEPALIVE`, for messages: `10.0.0.0/8:6379=database`. */
export function ruleText({ rule, ports }: CompiledRule, side: Connection['side']): string {
  const hosts = [rule.host ?? []].flat().map((host) => (host.includes(':') ? `[${host}]` : host));
  const ranges = ports.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`));
  const peer = [hosts.join(','), ranges.join(',')].filter((part) => part !== '').join(':');
  const use = rule.use === false ? 'off' : wordsOf(rule.use).join(',');
  return `${side === 'server' ? 'listen:' : ''}${peer === '' ? '*' : peer}=${use}`;
}

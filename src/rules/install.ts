import type net from 'node:net';
import { aBoolean, otherwise, readFields } from '../options/fields.ts';
import { expectSettable } from '../sockets/capabilities.ts';
import { isLossHeard } from '../sockets/events.ts';
import { noteGiven } from '../sockets/given.ts';
import { holdSocket } from '../sockets/hold.ts';
import {
  type Hold,
  type HoldOwner,
  holdOf,
  markedHandle,
  RULE,
  RULED,
  RULES,
  TRIED,
} from '../sockets/hold-record.ts';
import { notePeer } from '../sockets/peer.ts';
import { reapForRules } from '../sockets/reap.ts';
import { attempt } from '../sockets/report.ts';
import { type ListenerDecision, watchListeners } from './accepted.ts';
import { watchClientConnections } from './outgoing.ts';
import { reapField } from './reap.ts';
import { type CompiledRule, type Connection, compileRules, type KeepAliveRule } from './rule.ts';
import { firstFor, RulesByPort } from './rules-by-port.ts';
import { ruleText } from './text.ts';

/** Called with every TCP connection of the thread, after the rules were applied to it. */
export type Observer = (socket: net.Socket, connection: Connection, rule: CompiledRule | undefined) => void;

/** The rules of one call of `installKeepAlive`. */
interface RuleSet {
  readonly rules: RulesByPort<InstalledRule>;
  readonly observe: Observer | undefined;
}

interface InstalledRule {
  readonly rule: CompiledRule;
  /** The owner of the holds that the rule makes. */
  readonly owner: HoldOwner;
}

/** The rules of this thread, under a registered symbol, because every copy of this library adds its own. */
interface Installed {
  /** The latest first. */
  sets: readonly RuleSet[];
  watch: { refresh(): void; stop(): void } | undefined;
}

/**
 * Sets keepalive timers on every matching TCP and TLS connection of this thread, whichever library opens
 * or accepts it. The first rule that matches counts; `use: false` exempts.
 *
 * A connection that is opened is compared when it begins to connect, by the name that was looked up for it
 * and by its address, and its timers are held from then on, so that connecting is bounded too. A listener's options are set on the listening socket,
 * from which accepted sockets inherit, at no cost per connection and without a hold: the program may
 * change them later. If the rule has a `host`, accepted sockets are set and held one by one. Open
 * connections are not reached; open listeners are, from their next connection on.
 *
 * Options set with {@link keepAlive}, by a driver module, or on a server with {@link keepAliveServer} stay.
 * The rules of the latest install come first. A worker thread needs its own install. No connection fails
 * because of a rule: an error becomes a process warning, once for each code. Unix sockets and pipes are
 * left alone.
 *
 * @param rules - the rules, of which the first that matches a connection counts
 * @param behaviour - `strict`: throw if koffi is missing or this system lacks an option of a rule, instead of
 *   a warning later; `reap`: look for lost sockets as {@link reapLostSockets} does, also among those that are accepted,
 *   with `silentAfter` in milliseconds
 * @returns a function that removes the rules: open connections keep their options, but no longer held
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`, or with `strict` `ERR_KEEPALIVE_UNSUPPORTED`; before anything is
 *   changed
 *
 * @example
 * ```ts
 * const uninstall = installKeepAlive([
 *   { host: 'localhost', use: false },
 *   { side: 'client', port: '5432-5439', use: 'database' },
 *   { side: 'server', port: 8080, use: 'websocket' },
 * ]);
 * ```
 */
export function installKeepAlive(
  rules: readonly KeepAliveRule[],
  behaviour: {
    strict?: boolean | undefined;
    reap?: boolean | { silentAfter?: number | undefined } | undefined;
  } = {},
): () => void {
  const compiled = compileRules(rules);
  const { strict, reap } = readFields('an object such as { strict: true }', behaviour, behaviourFields);
  if (strict) expectAvailable(compiled);
  // The reaper first, because listeners that are open already accept from now on.
  const stop = reap && reapForRules(reap.silentAfter);
  const uninstall = installRules(compiled);
  return () => {
    uninstall();
    stop?.();
  };
}

const behaviourFields = { strict: otherwise(aBoolean, false), reap: reapField };

/**
 * Refuses rules with options that cannot be set here, because koffi is missing or this system lacks them.
 *
 * @throws `ERR_KEEPALIVE_UNSUPPORTED`
 */
export function expectAvailable(rules: readonly CompiledRule[]): void {
  for (const { settings } of rules) if (settings !== false) expectSettable(settings);
}

/** Installs compiled rules, and calls `observe` with every connection and its rule. */
export function installRules(rules: readonly CompiledRule[], observe?: Observer): () => void {
  const set: RuleSet = { rules: new RulesByPort(rules.map(ownedRule)), observe };
  const installed = installedRules();
  change(installed, [set, ...installed.sets]);
  return () => {
    for (const { owner } of set.rules.all) owner.released = true;
    change(
      installed,
      installed.sets.filter((other) => other !== set),
    );
  };
}

function ownedRule(rule: CompiledRule): InstalledRule {
  return { rule, owner: { released: false, name: ruleText(rule, rule.rule.side ?? 'client') } };
}

/** The request by which the connections of a listener were set. */
function givenBy({ rule, owner }: InstalledRule): Hold {
  return { settings: rule.settings || undefined, rank: RULE, onError: undefined, owner, listens: false };
}

/** How many attempts to connect, listeners, and connections that were accepted one by one a rule was for. */
export interface RuleHits {
  /** The rule as it is written in `TCP_KEEPALIVE`. */
  readonly rule: string;
  /** A rule that is 0 here has never matched. */
  readonly hits: number;
}

/** The rules of this thread, by whichever copy of this library, in their order. Those of one text are counted as one. */
export function ruleHits(): RuleHits[] {
  const hits = new Map<string, number>();
  for (const { rule, owner } of installedRules().sets.flatMap((set) => set.rules.all)) {
    hits.set(owner.name, (hits.get(owner.name) ?? 0) + rule.hits);
  }
  return Array.from(hits, ([rule, count]) => ({ rule, hits: count }));
}

/** Whether this thread is under rules, by whichever copy of this library. */
export function areInstalled(): boolean {
  return installedRules().sets.length > 0;
}

function installedRules(): Installed {
  const holder = globalThis as { [RULES]?: Installed };
  holder[RULES] ??= { sets: [], watch: undefined };
  return holder[RULES];
}

function change(installed: Installed, sets: readonly RuleSet[]): void {
  installed.sets = sets;
  if (sets.length === 0) {
    installed.watch?.stop();
    installed.watch = undefined;
  } else if (installed.watch === undefined) {
    installed.watch = startWatch(installed);
  } else {
    installed.watch.refresh();
  }
}

function startWatch(installed: Installed): NonNullable<Installed['watch']> {
  const clients = watchClientConnections({
    onAttempt(socket, attempt) {
      const { sets } = installed;
      const connection: Connection = { side: 'client', ...attempt };
      const found = firstFor(sets, connection);
      follow(socket, found);
      if (found?.rule.settings) notePeer(socket, attempt.address, attempt.port);
      noteDecision(socket, found, sets);
    },
    onConnect(socket, host) {
      const { sets } = installed;
      const isDecided = markedHandle(socket)?.[RULED] === sets;
      if (isDecided && !isObserved(sets)) return;
      const { remoteAddress: address, remotePort: port } = socket;
      // A Unix socket has no peer address, nor has a socket that is closed already.
      if (address === undefined || port === undefined) return;
      const connection: Connection = { side: 'client', host, address, port };
      const found = firstFor(sets, connection);
      if (!isDecided) follow(socket, found);
      observe(sets, socket, connection, found);
    },
  });
  const listeners = watchListeners({
    decide: (port) => decideForListener(installed.sets, port),
    onAccepted(socket, port, inherits) {
      // A connection that inherits needs no work, unless somebody observes it, or wants to hear of its loss.
      if (inherits && !isObserved(installed.sets) && !isLossHeard()) return;
      const address = socket.remoteAddress;
      if (address === undefined) return;
      const connection: Connection = { side: 'server', address, port };
      const found = firstFor(installed.sets, connection);
      if (!inherits) follow(socket, found);
      else if (found?.rule.settings) noteGiven(socket, givenBy(found));
      observe(installed.sets, socket, connection, found);
    },
  });
  return {
    refresh() {
      clients.refresh();
      listeners.refresh();
    },
    stop() {
      clients.stop();
      listeners.stop();
    },
  };
}

function decideForListener(sets: readonly RuleSet[], port: number): ListenerDecision {
  for (const { rules } of sets) {
    const [found] = rules.of('server', port).rules;
    if (found === undefined) continue;
    if (found.rule.hosts !== undefined) return 'by peer';
    found.rule.hits += 1;
    return found.rule.settings || undefined;
  }
  return undefined;
}

function follow(socket: net.Socket, found: InstalledRule | undefined): void {
  if (found !== undefined) found.rule.hits += 1;
  const settings = found?.rule.settings || undefined;
  if (settings !== undefined) {
    holdSocket(socket, { settings, rank: RULE, owner: found?.owner, isNew: true });
  } else if (found !== undefined || holdOf(socket) !== undefined) {
    // An exempt connection is left alone by libraries too. Or this socket was connected before, to another peer.
    holdSocket(socket, { settings: undefined, rank: RULE });
  }
}

/** Notes that nothing is left to do at `'connect'`: not if the options wait for it, as they do without koffi. */
function noteDecision(socket: net.Socket, found: InstalledRule | undefined, sets: readonly RuleSet[]): void {
  const handle = markedHandle(socket);
  if (handle !== undefined && (!found?.rule.settings || handle[TRIED] !== undefined)) handle[RULED] = sets;
}

function isObserved(sets: readonly RuleSet[]): boolean {
  return sets.some((set) => set.observe !== undefined);
}

function observe(
  sets: readonly RuleSet[],
  socket: net.Socket,
  connection: Connection,
  found: InstalledRule | undefined,
): void {
  for (const set of sets) {
    attempt(undefined, () => set.observe?.(socket, connection, found?.rule));
  }
}

import type net from 'node:net';
import { expectSettable } from '../sockets/capabilities.ts';
import { holdSocket } from '../sockets/hold.ts';
import { type HoldOwner, holdOf, RULE, RULES } from '../sockets/hold-record.ts';
import { attempt } from '../sockets/report.ts';
import { isStrict } from '../sockets/set.ts';
import { type ListenerDecision, watchListeners } from './accepted.ts';
import { watchClientConnections } from './outgoing.ts';
import {
  type CompiledRule,
  type Connection,
  compileRules,
  type KeepAliveRule,
  matches,
  speaksOf,
} from './rule.ts';

/** Told of every TCP connection of the thread, once the rules have been followed. */
export type Observer = (socket: net.Socket, connection: Connection, rule: CompiledRule | undefined) => void;

/** The rules of one `installKeepAlive`. */
interface RuleSet {
  readonly rules: readonly CompiledRule[];
  readonly owner: HoldOwner;
  readonly observe: Observer | undefined;
}

interface Found {
  readonly rule: CompiledRule;
  readonly owner: HoldOwner;
}

/** The rules of this thread, under a registered symbol: every copy of this library adds its own. */
interface Installed {
  /** The latest first. */
  sets: readonly RuleSet[];
  watch: { refresh(): void; stop(): void } | undefined;
}

/**
 * Sets keepalive timers on every matching TCP and TLS connection of this thread, whoever opens or
 * accepts it. Of the rules the first that matches counts; `use: false` exempts.
 *
 * A connection that is opened is compared at its `'connect'`, by the name that was looked up for it
 * and by its address, and its timers are held. A listener's options are set on the listening socket,
 * from which accepted ones inherit, at no cost for each and so without a hold: what the program sets on
 * one later counts, unless it is given to {@link keepAlive}. If the rule looks at the peer, accepted
 * ones are set and held one by one. Connections that are open already are not reached; listeners are,
 * with their next connection.
 *
 * What is set on a socket with {@link keepAlive}, by a driver module, or on a server with
 * {@link keepAliveServer}, is left as it is. Of several installs the latest is asked first. A worker
 * thread needs its own. Nothing here makes a connection fail: what goes wrong becomes a process
 * warning, once for each code. Unix sockets and pipes are left alone.
 *
 * @param rules - the rules, of which the first that matches a connection counts
 * @param rules - the rules, of which the first that matches a connection counts
 * @param behaviour - `strict`: throw if koffi cannot be loaded or this system lacks an option of a rule, instead
 *   of a warning later
 * @returns a function that ends it: what is open keeps its options, and they are no longer held
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`, or with `strict` `ERR_KEEPALIVE_UNSUPPORTED`; before anything is
 *   changed
 *
 * @example
 * ```ts
 * const uninstall = installKeepAlive([
 *   { host: 'localhost', use: false },
 *   { side: 'client', port: [5432, 5439], use: 'database' },
 *   { side: 'server', port: 8080, use: 'websocket' },
 * ]);
 * ```
 */
export function installKeepAlive(
  rules: readonly KeepAliveRule[],
  behaviour: { strict?: boolean | undefined } = {},
): () => void {
  const compiled = compileRules(rules);
  if (isStrict(behaviour)) expectAvailable(compiled);
  return installRules(compiled);
}

/**
 * Refuses rules that ask for what cannot be set here, because koffi is missing or this system has no such option.
 *
 * @throws `ERR_KEEPALIVE_UNSUPPORTED`
 */
export function expectAvailable(rules: readonly CompiledRule[]): void {
  for (const { settings } of rules) if (settings !== false) expectSettable(settings);
}

/** Installs rules that were checked, and tells an observer what becomes of them. */
export function installRules(rules: readonly CompiledRule[], observe?: Observer): () => void {
  const set: RuleSet = { rules, owner: { released: false }, observe };
  const installed = installedRules();
  change(installed, [set, ...installed.sets]);
  return () => {
    if (set.owner.released) return;
    set.owner.released = true;
    change(
      installed,
      installed.sets.filter((other) => other !== set),
    );
  };
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
  const clients = watchClientConnections((socket, host) => {
    const { remoteAddress: address, remotePort: port } = socket;
    // No peer: a Unix socket, or one that is gone already.
    if (address === undefined || port === undefined) return;
    const connection: Connection = { side: 'client', host, address, port };
    const found = findRule(installed.sets, (rule) => matches(rule, connection));
    follow(socket, found);
    observe(installed.sets, socket, connection, found);
  });
  const listeners = watchListeners({
    decide: (port) => decideForListener(installed.sets, port),
    onAccepted(socket, port, inherits) {
      // Those that inherit are not even looked at, unless somebody wants to see them.
      if (inherits && installed.sets.every((set) => set.observe === undefined)) return;
      const address = socket.remoteAddress;
      if (address === undefined) return;
      const connection: Connection = { side: 'server', address, port };
      const found = findRule(installed.sets, (rule) => matches(rule, connection));
      if (!inherits) follow(socket, found);
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

function findRule(sets: readonly RuleSet[], isFor: (rule: CompiledRule) => boolean): Found | undefined {
  for (const { rules, owner } of sets) {
    const rule = rules.find(isFor);
    if (rule !== undefined) return { rule, owner };
  }
  return undefined;
}

function decideForListener(sets: readonly RuleSet[], port: number): ListenerDecision {
  const found = findRule(sets, (rule) => speaksOf(rule, 'server', port));
  if (found?.rule.hasHosts) return 'by peer';
  return found?.rule.settings || undefined;
}

function follow(socket: net.Socket, found: Found | undefined): void {
  const settings = found?.rule.settings || undefined;
  if (settings !== undefined) {
    holdSocket(socket, { settings, rank: RULE, owner: found?.owner });
  } else if (holdOf(socket) !== undefined) {
    // It was connected before, to another peer.
    holdSocket(socket, { settings: undefined, rank: RULE });
  }
}

function observe(
  sets: readonly RuleSet[],
  socket: net.Socket,
  connection: Connection,
  found: Found | undefined,
): void {
  for (const set of sets) {
    attempt(undefined, () => set.observe?.(socket, connection, found?.rule));
  }
}

/** Keepalive timers for the connections of `mysql2`. @module tcp-keepalive/mysql2 */
import type net from 'node:net';
import {
  afterEach,
  type DriverRequest,
  driverRequest,
  expectTarget,
  type HoldRequest,
  holdSocket,
  isEmitter,
  isMethod,
  isObjectOrAbsent,
  type KeepAliveInput,
  keepAliveError,
  later,
  laterAt,
  type Members,
  type OnError,
  report,
} from './kit.ts';

/** A connection of mysql2 or mysql2/promise, of a pool or not. */
export interface Mysql2Connection {
  readonly threadId: number | null;
}

/** A pool of mysql2 or mysql2/promise. */
export interface Mysql2Pool {
  getConnection: unknown;
  on(event: 'connection', listener: (connection: Mysql2Connection) => void): unknown;
}

/** A pool cluster of mysql2 or mysql2/promise. */
export interface Mysql2PoolCluster {
  add(...node: never[]): void;
  of: unknown;
}

/** Members that mysql2's types do not name: the objects inside the promise wrappers, and the sockets. */
interface Internals {
  readonly connection?: Internals;
  readonly pool?: Mysql2Pool;
  readonly poolCluster?: Mysql2PoolCluster;
  readonly stream?: net.Socket;
  readonly _allConnections?: { readonly length: number; get(index: number): Mysql2Connection };
  readonly _nodes?: Readonly<Record<string, { readonly pool?: Mysql2Pool } | undefined>>;
}

/**
 * Holds keepalive timers on every connection of a `mysql2` or `mysql2/promise` pool or pool cluster, or
 * on a single one: on those that are open, and on each later one. TLS works too. The timers replace what
 * mysql2's `enableKeepAlive` and `keepAliveInitialDelay` set.
 *
 * Each connection has them from its first SYN on, so that connecting, the TLS handshake and the login are bounded too,
 * beside mysql2's `connectTimeout`, 10 s by default. A pool's connections are found in its private `_allConnections`
 * after each `getConnection()`, and a cluster's pools, also those added later, in its private `_nodes`. If a version
 * lacks the first, later connections get the options after their login. If it lacks the second, a cluster's
 * connections get none, and that is reported.
 *
 * A vanished peer now raises an error, `ETIMEDOUT`: a query in flight fails with it, and a pool drops an
 * idle connection without one. A connection without a pool needs an `'error'` listener: if it has none,
 * the error ends the process when nothing is in flight.
 *
 * A Unix socket (`socketPath`) gets no timers, which is reported.
 *
 * @param target - a pool, a pool cluster or a connection
 * @param options - a preset's name, or options in milliseconds
 * @param behaviour - `onError`: called with what could not be set, instead of a process warning
 * @returns the same pool, cluster or connection
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`, before anything is touched
 *
 * @example
 * ```ts
 * const pool = keepAliveMysql2(mysql.createPool({ host: 'db', user: 'app' }), 'database');
 * ```
 */
export function keepAliveMysql2<T extends Mysql2Pool | Mysql2PoolCluster | Mysql2Connection>(
  target: T,
  options: KeepAliveInput,
  behaviour: { onError?: OnError | undefined } = {},
): T {
  const request = driverRequest('keepAliveMysql2', options, behaviour);
  expectTarget(
    'a pool, a pool cluster itself (not its of()) or a connection of mysql2',
    target,
    isTarget,
    request,
  );
  if (isCluster(target)) holdCluster(target, request);
  else if (isPool(target)) holdPool(target, request);
  else hold(request, target);
  return target;
}

function isTarget(target: Members): boolean {
  const { add, getConnection, format } = target;
  if (isCluster(target)) return isMethod(add);
  if (!isMethod(format)) return false;
  if (isPool(target)) return isMethod(getConnection) && isEmitter(target);
  return 'threadId' in target && isObjectOrAbsent(coreOf(target).stream);
}

function isCluster(target: object): target is Mysql2PoolCluster {
  return 'of' in target;
}

function isPool(target: object): target is Mysql2Pool {
  return 'getConnection' in target;
}

/** The object inside a promise wrapper; any other object is returned as it is. */
function coreOf(target: object): Internals {
  const { connection, pool, poolCluster } = target as Internals;
  return (connection ?? pool ?? poolCluster ?? target) as Internals;
}

function hold(request: HoldRequest, connection: Mysql2Connection): void {
  const { stream } = coreOf(connection);
  if (stream === undefined) report(unreachable('connection', 'stream'), request.onError);
  else holdSocket(stream, request);
}

function holdPool(pool: Mysql2Pool, request: DriverRequest): void {
  const core = coreOf(pool);
  const { _allConnections: open } = core;
  // This member is private, so another version may have something else there.
  if (!isMethod(open?.get)) {
    laterAt(core, 'connection', request, hold);
    return;
  }
  for (let index = 0; index < open.length; index++) hold(request, open.get(index));
  let newest: Mysql2Connection | undefined;
  const holdNewest = later(core, request, (asked) => {
    const connection = open.length === 0 ? undefined : open.get(open.length - 1);
    if (connection === undefined || connection === newest) return;
    newest = connection;
    hold(asked, connection);
  });
  // The pool's own methods call it too. It adds a connection at once, which is connecting then.
  afterEach(core, 'getConnection', holdNewest);
}

function holdCluster(cluster: Mysql2PoolCluster, request: DriverRequest): void {
  const core = coreOf(cluster);
  const { _nodes: nodes } = core;
  if (nodes === undefined) {
    report(unreachable('pool cluster', '_nodes'), request.onError);
    return;
  }
  const holdNodes = later(core, request, (asked) => {
    for (const node of Object.values(nodes)) if (node?.pool) holdPool(node.pool, asked);
  });
  holdNodes();
  // mysql2 emits no event for an added node, and the promise wrapper does not call its core's add().
  for (const target of new Set([cluster, core])) afterEach(target, 'add', holdNodes);
}

function unreachable(kind: string, property: keyof Internals): Error {
  return keepAliveError(
    'ERR_KEEPALIVE_NOT_TCP',
    `Expected a ${kind} of mysql2 with its \`${property}\`, got an object without`,
  );
}

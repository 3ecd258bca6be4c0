/** Keepalive timers for the connections of `pg`. @module tcp-keepalive/pg */
import net from 'node:net';
import {
  type DriverRequest,
  driverRequest,
  expectTarget,
  type HoldRequest,
  holdSocket,
  inPlaceOf,
  isEmitter,
  isInPlace,
  isMethod,
  type KeepAliveInput,
  keepAliveError,
  laterAt,
  type Members,
  type OnError,
  report,
  warnOnce,
} from './kit.ts';

/** A `pg.Client`, or a pool's. */
export interface PgClient {
  connect: unknown;
  // Optional, because older types of pg do not name it, and pg-native's client has none.
  readonly connection?: { readonly stream: unknown };
}

/** A `pg.Pool`. */
export interface PgPool {
  readonly totalCount: number;
  on(event: 'connect', listener: (client: PgClient) => void): unknown;
  listenerCount(event: 'error'): number;
}

/**
 * Holds keepalive timers on every connection of a `pg` pool, or on that of a client: on those that are
 * open, and on each later one. TLS works too. The timers replace what pg's `keepAlive` and
 * `keepAliveInitialDelayMillis` set.
 *
 * Each client has them from its first SYN on, so that connecting, the TLS handshake and the login are bounded too. Only
 * a server that accepts and then says nothing is not, until pg's `connectionTimeoutMillis`, which is off by default: set
 * it too. A pool gets a function as its option `stream` for this, around its own if it has one; a pool whose `stream` is
 * no function gets the timers after each login. Open connections are found in the private `_clients` of pg-pool; if a
 * pool lacks that, only later connections get them.
 *
 * A vanished peer now raises an error, `ETIMEDOUT`, that ends the process if nobody listens: a pool
 * needs an `'error'` listener, for its idle clients, and so does each client that is checked out or
 * used without a pool. If a pool has no listener when a client connects, a process warning says so once.
 *
 * A Unix socket gets no timers, nor does pg-native, whose connection is libpq's and not Node's; set
 * `keepalives_idle`, `keepalives_interval`, `keepalives_count` and `tcp_user_timeout` in its connection
 * string. Both are reported.
 *
 * @param poolOrClient - a `pg.Pool` or a `pg.Client`
 * @param options - a preset's name, or options in milliseconds
 * @param behaviour - `onError`: called with what could not be set, instead of a process warning
 * @returns the same pool or client
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`, before anything is touched
 *
 * @example
 * ```ts
 * const pool = keepAlivePg(new pg.Pool({ connectionTimeoutMillis: 5_000 }), 'database');
 * pool.on('error', (error) => log.warn(error, 'an idle connection was lost'));
 * ```
 */
export function keepAlivePg<T extends PgPool | PgClient>(
  poolOrClient: T,
  options: KeepAliveInput,
  behaviour: { onError?: OnError | undefined } = {},
): T {
  const request = driverRequest('keepAlivePg', options, behaviour);
  expectTarget('a pool or client of pg', poolOrClient, isPoolOrClient, request);
  if (isPool(poolOrClient)) holdPool(poolOrClient, request);
  else if (!holdClient(poolOrClient, request)) reportNoConnection(request.onError);
  return poolOrClient;
}

function isPoolOrClient(target: Members): boolean {
  const { connect, query, connection, native, listenerCount } = target;
  if ('totalCount' in target) return isEmitter(target) && isMethod(listenerCount);
  return isMethod(connect) && isMethod(query) && (isPresent(connection) || isPresent(native));
}

/** Only pg-native's client has none of Node's own connections. */
function isPresent(member: unknown): boolean {
  return typeof member === 'object' && member !== null;
}

function isPool(target: PgPool | PgClient): target is PgPool {
  return 'totalCount' in target;
}

function holdPool(pool: PgPool, request: DriverRequest): void {
  let isReported = false;
  const hold = (asked: DriverRequest, client: PgClient) => {
    if (holdClient(client, asked) || isReported) return;
    isReported = true;
    reportNoConnection(asked.onError);
  };
  const { _clients: clients } = pool as { _clients?: readonly PgClient[] };
  const open = Array.isArray(clients) ? clients : [];
  for (const client of open) hold(request, client);
  // The caller may add a listener on the line after this call.
  if (open.length > 0) process.nextTick(warnIfUnheard, pool);
  const told = laterAt(pool, 'connect', request, (asked, client: PgClient, isConnecting = false) => {
    if (isConnecting || !isInPlace(optionsOf(pool)?.stream)) hold(asked, client);
    if (!isConnecting) warnIfUnheard(pool);
  });
  holdStreams(pool, (stream) => told({ connect: undefined, connection: { stream } }, true));
}

/** The options that a pool gives to each client it makes. pg's types do not name this member. */
function optionsOf(pool: PgPool): { stream?: unknown } | undefined {
  return (pool as { options?: { stream?: unknown } }).options;
}

/** Has each socket of a pool held before it connects: a pool emits `'connect'` only after the login. */
function holdStreams(pool: PgPool, hold: (stream: unknown) => void): void {
  const options = optionsOf(pool);
  const stream = options?.stream;
  if (
    !options ||
    typeof options !== 'object' ||
    isInPlace(stream) ||
    !(stream === undefined || isMethod(stream))
  )
    return;
  options.stream = inPlaceOf(stream, (...config: never[]) => {
    const made: unknown = stream === undefined ? new net.Socket() : stream(...config);
    hold(made);
    return made;
  });
}

/** @returns whether the client has a connection made by Node. */
function holdClient({ connection }: PgClient, request: HoldRequest): boolean {
  if (!connection) return false;
  // pg accepts any stream; holdSocket checks that this one is a socket.
  holdSocket(connection.stream as net.Socket, request);
  return true;
}

function reportNoConnection(onError: OnError | undefined): void {
  const message =
    "Expected a pool or client of pg whose sockets are Node's, got pg-native's, which are set by " +
    'libpq, with keepalives=1, keepalives_idle, keepalives_interval, keepalives_count (in seconds) ' +
    'and tcp_user_timeout (in milliseconds) in the connection string';
  report(keepAliveError('ERR_KEEPALIVE_NO_DESCRIPTOR', message), onError);
}

function warnIfUnheard(pool: PgPool): void {
  if (pool.listenerCount('error') > 0) return;
  warnOnce(
    'ERR_KEEPALIVE_NO_ERROR_LISTENER',
    "Expected an 'error' listener on the pg pool, got none; an idle connection whose peer vanishes raises an " +
      "error there, which ends the process if nobody listens. Add pool.on('error', listener)",
  );
}

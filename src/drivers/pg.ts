/**
 * Keepalive timers for connections of `pg`.
 *
 * @module tcp-keepalive/pg
 */
import type net from 'node:net';
import {
  driverRequest,
  expectTarget,
  type HoldRequest,
  holdSocket,
  isMethod,
  isObjectOrAbsent,
  type KeepAliveInput,
  keepAliveError,
  type Members,
  type OnError,
  report,
  warnOnce,
} from './kit.ts';

/** A `pg.Client`, or a pool's. */
export interface PgClient {
  connect: unknown;
  // Older types of pg do not name it, and pg-native's client has none.
  readonly connection?: { readonly stream: unknown };
}

/** A `pg.Pool`. */
export interface PgPool {
  readonly totalCount: number;
  on(event: 'connect', listener: (client: PgClient) => void): unknown;
  listenerCount(event: 'error'): number;
}

/**
 * Holds keepalive timers on every connection of a `pg` pool, or on a client's one: on those that are
 * open, and on each later one. With TLS too, and over what pg's own `keepAlive` and
 * `keepAliveInitialDelayMillis` would set.
 *
 * A pool's client gets them when it has logged in, a client of its own when TCP connects. What comes
 * before is bounded by pg's `connectionTimeoutMillis` only, which is off by default: set it too. Open
 * connections of a pool are found in the private `_clients` of pg-pool; another pool in its place
 * that has none gets the options on later connections only.
 *
 * A vanished peer now raises an error, `ETIMEDOUT`, that ends the process where nobody listens: a pool
 * needs an `'error'` listener, for its idle clients, and so does each client that is checked out or
 * used without a pool. A pool that has no listener when a client connects is warned of once.
 *
 * A Unix socket goes on without. So does pg-native, whose connection is libpq's and not Node's; set
 * `keepalives_idle`, `keepalives_interval`, `keepalives_count` and `tcp_user_timeout` in its connection
 * string. Both are reported to `onError`, or as a process warning.
 *
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
  const request = driverRequest(options, behaviour);
  expectTarget('a pool or client of pg', poolOrClient, isPoolOrClient);
  if (isPool(poolOrClient)) holdPool(poolOrClient, request);
  else if (!holdClient(poolOrClient, request)) reportNoConnection(request.onError);
  return poolOrClient;
}

function isPoolOrClient(target: Members): boolean {
  const { connect, connection, on, listenerCount } = target;
  if ('totalCount' in target) return isMethod(on) && isMethod(listenerCount);
  return isMethod(connect) && isObjectOrAbsent(connection);
}

function isPool(target: PgPool | PgClient): target is PgPool {
  return 'totalCount' in target;
}

function holdPool(pool: PgPool, request: HoldRequest): void {
  let isReported = false;
  const hold = (client: PgClient) => {
    if (holdClient(client, request) || isReported) return;
    isReported = true;
    reportNoConnection(request.onError);
  };
  const { _clients: clients } = pool as { _clients?: readonly PgClient[] };
  const open = Array.isArray(clients) ? clients : [];
  open.forEach(hold);
  // A listener added on the line after this call is there in time.
  if (open.length > 0) process.nextTick(warnIfUnheard, pool);
  pool.on('connect', (client) => {
    hold(client);
    warnIfUnheard(pool);
  });
}

/** @returns whether it has a connection of Node's. */
function holdClient({ connection }: PgClient, request: HoldRequest): boolean {
  if (!connection) return false;
  // What it is in fact, holdSocket finds out: pg takes any stream.
  holdSocket(connection.stream as net.Socket, request);
  return true;
}

function reportNoConnection(onError: OnError | undefined): void {
  const message =
    "Expected a pool or client of pg whose sockets are Node's, got pg-native's or another object; pg-native's " +
    'are set by libpq, with keepalives=1, keepalives_idle, keepalives_interval, keepalives_count (in seconds) ' +
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

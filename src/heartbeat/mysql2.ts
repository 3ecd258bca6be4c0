import type net from 'node:net';
import { readable, refusal } from '../options/fields.ts';
import type { Heartbeat } from './heartbeat.ts';
import { checkMethods, type ReadyHeartbeatOptions } from './options.ts';
import { beatIdle } from './pool.ts';

/** The members of a connection of a `mysql2` pool that are used. */
export interface Mysql2Connection {
  ping(callback: (error: Error | null) => void): unknown;
  release(): void;
  destroy(): void;
}

/** The members of a `mysql2` pool that are used. */
export interface Mysql2Pool<Connection extends Mysql2Connection = Mysql2Connection> {
  getConnection(callback: (error: NodeJS.ErrnoException | null, connection: Connection) => void): void;
}

/** A pool of `mysql2/promise`, of which only the pool inside it is used. */
export interface Mysql2PromisePool<Connection extends Mysql2Connection = Mysql2Connection> {
  readonly pool: Mysql2Pool<Connection>;
}

/**
 * Pings the idle connections of a `mysql2` pool, and removes those whose server does not answer. Connections
 * in use are not pinged, because their queries have their own timeouts.
 *
 * A connection is taken out of the pool for its ping, which counts as use: if `every` is shorter
 * than the pool's `idleTimeout`, idle connections are kept. mysql2 has no public count of idle connections,
 * so a pool without the private `_freeConnections` is refused, as is a pool cluster, which has none.
 *
 * @param target - a pool of `mysql2` or `mysql2/promise`
 * @param options - the rhythm, a signal that ends the heartbeat, and `onDead`
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`
 *
 * @example
 * ```ts
 * heartbeatMysql2(pool, { every: 30_000, timeout: 5_000 });
 * ```
 */
export function heartbeatMysql2<Connection extends Mysql2Connection>(
  target: Mysql2Pool<Connection> | Mysql2PromisePool<Connection>,
  options: ReadyHeartbeatOptions<Connection> = {},
): Heartbeat {
  const pool = poolOf(target);
  return beatIdle(
    {
      idle: () => pool._freeConnections.length,
      take: () =>
        new Promise<Connection>((resolve, reject) => {
          pool.getConnection((error, connection) => (error ? reject(error) : resolve(connection)));
        }),
      ping: (connection) =>
        new Promise<void>((resolve, reject) => {
          connection.ping((error) => (error ? reject(error) : resolve()));
        }),
      putBack: (connection) => connection.release(),
      remove: (connection) => connection.destroy(),
      socketOf: (connection: Connection & { readonly stream?: net.Socket }) => connection.stream,
    },
    options,
  );
}

/** A pool of mysql2, with members that its types do not name. */
type WholePool<Connection extends Mysql2Connection> = Mysql2Pool<Connection> & {
  readonly _freeConnections: { readonly length: number };
};

function poolOf<Connection extends Mysql2Connection>(
  target: Mysql2Pool<Connection> | Mysql2PromisePool<Connection>,
): WholePool<Connection> {
  const expected = 'a pool of mysql2';
  return readable(expected, () => {
    const pool = ('pool' in target ? target.pool : target) as WholePool<Connection>;
    checkMethods(expected, pool, ['getConnection']);
    if (typeof pool._freeConnections?.length === 'number') return pool;
    // A pool cluster and its of() also have getConnection().
    const hint =
      '; a cluster does not give its pools: make them with createPool() and give each to heartbeatMysql2()';
    throw refusal(`${expected} with its \`_freeConnections\``, target, { hint });
  });
}

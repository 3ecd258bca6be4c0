import type net from 'node:net';
import { readable, refusal } from '../options/fields.ts';
import type { Heartbeat } from './heartbeat.ts';
import type { ReadyHeartbeatOptions } from './options.ts';
import { beatIdle } from './pool.ts';

/** The members of a client of a `pg` pool that are used. */
export interface PgClient {
  query(text: string): Promise<unknown>;
  release(destroy?: boolean): void;
  on(event: 'error', listener: () => void): unknown;
  removeListener(event: 'error', listener: () => void): unknown;
}

/** The socket of a client of pg. A client of pg-native has none. */
interface Internals {
  readonly connection?: { readonly stream?: net.Socket };
}

/** The members of a `pg` pool that are used. */
export interface PgPool<Client extends PgClient = PgClient> {
  readonly idleCount: number;
  connect(): Promise<Client>;
}

/**
 * Sends `SELECT 1` on the idle connections of a `pg` pool, and removes those whose server does not answer.
 * Connections in use are not pinged, because their queries have their own timeouts.
 *
 * A connection is taken out of the pool for its ping, which counts as use: if `every` is shorter
 * than the pool's `idleTimeoutMillis`, idle connections are kept.
 *
 * @param pool - a `pg.Pool`
 * @param options - the rhythm, a signal that ends the heartbeat, and `onDead`
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`
 *
 * @example
 * ```ts
 * heartbeatPg(pool, { every: 30_000, timeout: 5_000 });
 * ```
 */
export function heartbeatPg<Client extends PgClient>(
  pool: PgPool<Client>,
  options: ReadyHeartbeatOptions<Client> = {},
): Heartbeat {
  expectPool(pool);
  const putBack = (client: Client, destroy: boolean) => {
    client.release(destroy);
    client.removeListener('error', ignore);
  };
  return beatIdle(
    {
      idle: () => pool.idleCount,
      async take() {
        const client = await pool.connect();
        // The pool listens only for errors of its idle clients, and an error without a listener would end
        // the process.
        client.on('error', ignore);
        return client;
      },
      ping: (client) => client.query('SELECT 1'),
      putBack: (client) => putBack(client, false),
      remove: (client) => client.release(true),
      socketOf: (client: Client & Internals) => client.connection?.stream,
    },
    options,
  );
}

function expectPool(pool: Partial<PgPool>): void {
  const expected = 'a pool of pg';
  readable(expected, () => {
    const { connect, idleCount } = Object(pool) as Partial<PgPool>;
    if (typeof connect !== 'function') throw refusal(`${expected} with \`connect()\``, pool);
    if (typeof idleCount === 'number') return;
    // A client also has connect().
    const hint = "; for a single client use heartbeat({ ping: () => client.query('SELECT 1'), ... })";
    throw refusal(`${expected} with its \`idleCount\``, pool, { hint });
  });
}

function ignore(): void {
  // The error rejects the ping as well.
}

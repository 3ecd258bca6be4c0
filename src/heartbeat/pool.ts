import { beat, type Heartbeat, type Target } from './heartbeat.ts';
import { type Ready, type ReadyHeartbeatOptions, readReady } from './options.ts';

/** What is used of a pool to ping its idle connections. */
export interface IdlePool<Connection> {
  /** How many connections are idle. */
  idle(): number;
  /** Takes one out. */
  take(): Promise<Connection>;
  ping(connection: Connection): Promise<unknown>;
  putBack(connection: Connection): void;
  /** Removes one that has failed or is silent. */
  remove(connection: Connection): void;
}

/** Pings the idle connections of a pool, each taken out meanwhile, and removes those that are silent. */
export function beatIdle<Connection>(
  pool: IdlePool<Connection>,
  options: ReadyHeartbeatOptions<Connection>,
): Heartbeat {
  const ready = readReady(options);
  return beat(() => Array.from({ length: pool.idle() }, () => oneIdle(pool, ready)), ready);
}

function oneIdle<Connection>(pool: IdlePool<Connection>, { onDead }: Ready<Connection>): Target {
  let taken: { connection: Connection } | undefined;
  const finish = (end: (connection: Connection) => void) => {
    const done = taken;
    taken = undefined;
    if (done !== undefined) end(done.connection);
    return done?.connection;
  };
  return {
    async ping() {
      try {
        taken = { connection: await pool.take() };
        await pool.ping(taken.connection);
        finish(pool.putBack);
      } catch {
        // The connection or the pool has ended: that is an answer too, and nobody is silent.
        finish(pool.remove);
      }
    },
    onDead(silence) {
      const connection = finish(pool.remove);
      if (connection !== undefined) onDead?.(connection, silence);
    },
    // Nobody would put the connection back any more.
    abandon: () => void finish(pool.remove),
  };
}

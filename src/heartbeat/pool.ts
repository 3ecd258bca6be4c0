import { beat, type Heartbeat, type Peer } from './beat.ts';
import { type Ready, type ReadyHeartbeatOptions, readReady } from './options.ts';

/** A pool, as far as pinging what lies idle in it is concerned. */
export interface IdlePool<Connection> {
  /** How many connections lie idle. */
  idle(): number;
  /** Takes one out. */
  take(): Promise<Connection>;
  ping(connection: Connection): Promise<unknown>;
  putBack(connection: Connection): void;
  /** Removes one that is no good any more. */
  remove(connection: Connection): void;
}

/** Pings the connections that lie idle in a pool, each taken out meanwhile, and removes the silent. */
export function beatIdle<Connection>(
  pool: IdlePool<Connection>,
  options: ReadyHeartbeatOptions<Connection>,
): Heartbeat {
  const ready = readReady(options);
  return beat(() => Array.from({ length: pool.idle() }, () => oneIdle(pool, ready)), ready.rhythm);
}

function oneIdle<Connection>(pool: IdlePool<Connection>, { onDead }: Ready<Connection>): Peer {
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
        // The connection has ended, or the pool has: somebody has answered, and nobody is silent.
        finish(pool.remove);
      }
    },
    onDead(silence) {
      const connection = finish(pool.remove);
      if (connection !== undefined) onDead?.(connection, silence);
    },
    // Nobody would put it back any more.
    abandon: () => void finish(pool.remove),
  };
}

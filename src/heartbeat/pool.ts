import type net from 'node:net';
import { beat, type Heartbeat, type Target } from './heartbeat.ts';
import { type Ready, type ReadyHeartbeatOptions, readReady } from './options.ts';

/** A pool, as far as its idle connections are pinged. */
export interface IdlePool<Connection> {
  /** How many connections are idle. */
  idle(): number;
  /** Takes a connection out of the pool. */
  take(): Promise<Connection>;
  ping(connection: Connection): Promise<unknown>;
  putBack(connection: Connection): void;
  /** Removes a connection that has failed or is silent. */
  remove(connection: Connection): void;
  /** The socket of a connection, if Node made it. */
  socketOf(connection: Connection): net.Socket | undefined;
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
  let isOver = false;
  const finish = (end: (connection: Connection) => void) => {
    const done = taken;
    taken = undefined;
    isOver = true;
    if (done !== undefined) end(done.connection);
    return done?.connection;
  };
  const remove = (connection: Connection) => {
    pool.remove(connection);
    // A driver first sends a goodbye, and then waits for the silent server to close the connection.
    pool.socketOf(connection)?.destroy();
  };
  return {
    async ping() {
      taken ??= await takeFrom(pool);
      if (taken === undefined) return;
      if (isOver) {
        finish(pool.putBack);
        return;
      }
      const { connection } = taken;
      const socket = pool.socketOf(connection);
      const before = socket?.bytesRead;
      try {
        await pool.ping(connection);
        finish(pool.putBack);
      } catch (error) {
        const isSilent = socket?.bytesRead === before && !hasEnded(socket);
        // A timeout of the driver has passed. The connection is pinged again.
        if (isSilent) throw error;
        // The server has ended the connection or refused the ping, which is an answer too.
        finish(remove);
      }
    },
    onDead(silence) {
      const connection = finish(remove);
      if (connection !== undefined) onDead?.(connection, silence);
    },
    // After the end of the heartbeat nothing would put the connection back.
    abandon: () => void finish(remove),
  };
}

/** Whether the peer or the kernel has ended a connection. Without a socket it counts as ended. */
function hasEnded(socket: net.Socket | undefined): boolean {
  return socket === undefined || socket.readableEnded || socket.errored !== null;
}

/** Takes a connection, or none if the pool has ended or other callers were faster. */
async function takeFrom<Connection>(
  pool: IdlePool<Connection>,
): Promise<{ connection: Connection } | undefined> {
  return pool.take().then(
    (connection) => ({ connection }),
    () => undefined,
  );
}

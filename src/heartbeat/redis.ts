import { readable, refusal } from '../options/fields.ts';
import { beat, type Heartbeat, oncePer, type Target } from './heartbeat.ts';
import { type Ready, type ReadyHeartbeatOptions, readReady } from './options.ts';

/** The members of a `Redis` of ioredis that are used. */
export interface PingableIoredis {
  readonly status: string;
  /** Absent until it connects for the first time. */
  readonly stream?: { readonly bytesRead: number; destroy(): unknown } | undefined;
  ping(): Promise<unknown>;
}

/** The members of a `Cluster` of ioredis that are used. */
export interface PingableCluster<Client extends PingableIoredis> {
  nodes(): Client[];
}

/** The members that are used of a client of node-redis (the package `redis`), from its version 5 on. */
export interface PingableNodeRedis {
  readonly isOpen: boolean;
  readonly isReady: boolean;
  ping(): Promise<unknown>;
  connect(): Promise<unknown>;
  destroy(): void;
  /** Never called: only a client, which has one socket, has it, and no cluster or sentinel. */
  unref(): void;
}

/** The operations on a client that differ between the drivers. */
interface Driver<Client> {
  isReady(client: Client): boolean;
  bytesRead(client: Client): number | undefined;
  /** Ends a silent connection, so that the client makes another. */
  reconnect(client: Client): void;
}

const ioredis: Driver<PingableIoredis> = {
  isReady: ({ status }) => status === 'ready',
  bytesRead: ({ stream }) => stream?.bytesRead,
  // disconnect(true) would wait for the silent server to close the connection.
  reconnect: ({ stream }) => void stream?.destroy(),
};

const nodeRedis: Driver<PingableNodeRedis> = {
  isReady: ({ isOpen, isReady }) => isOpen && isReady,
  bytesRead: () => undefined,
  reconnect(client) {
    client.destroy();
    // The client emits 'error' if this fails, and the program may have ended it meanwhile.
    client.connect().catch(() => {});
  },
};

/**
 * Sends `PING` on the connection of an ioredis or node-redis client, or on those of every node of an ioredis
 * `Cluster`, and destroys a connection whose server does not answer. It pings while the client is ready, on
 * each connection that it makes, until the heartbeat is stopped.
 *
 * Only the connection ends, not the client: both drivers reconnect, with the program's delays and limits
 * (`retryStrategy`, `reconnectStrategy`), and subscriptions survive it. ioredis then repeats what was in
 * flight, up to `maxRetriesPerRequest` times. node-redis hides its socket, so its `destroy()` and `connect()`
 * are called: what was in flight or queued is rejected, and the client emits `'end'` before it connects
 * again. A program that wants the client to end does so in `onDead`.
 *
 * Redis answers in order: `PING` waits behind a command that blocks (`BLPOP`, `XREAD BLOCK`) and behind a
 * reply that is on its way. With ioredis anything that the server sends counts as its answer; with node-redis
 * `timeout` must be longer than the longest reply takes. Do not pass a client with a command that blocks
 * longer than `timeout`, nor one with `multi({ pipeline: false })`, since the `PING` would become part of the
 * transaction.
 *
 * @param clientOrCluster - a `Redis` or a `Cluster` of ioredis, or a client of node-redis
 * @param options - the rhythm, a signal that ends the heartbeat, and `onDead`
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`
 *
 * @example
 * ```ts
 * const redis = new Redis('redis://cache');
 * heartbeatRedis(redis, { onDead: (client, { duration }) => log.warn({ duration }, 'Redis is silent') });
 * ```
 */
export function heartbeatRedis<Client extends PingableIoredis | PingableNodeRedis>(
  clientOrCluster: Client | (Client extends PingableIoredis ? PingableCluster<Client> : never),
  options: ReadyHeartbeatOptions<Client> = {},
): Heartbeat {
  const { clients, driver } = readable(EXPECTED, () => clientsOf<Client>(clientOrCluster));
  const ready = readReady(options);
  const targetOf = oncePer((client: Client) => newTarget(client, driver, ready));
  return beat(() => clients().filter(driver.isReady).map(targetOf), ready);
}

const EXPECTED = 'a Redis or Cluster of ioredis, or a client of node-redis';

function clientsOf<Client>(given: unknown): { clients: () => Client[]; driver: Driver<Client> } {
  const { nodes, ping, status, connect, destroy, unref } = Object(given) as Record<string, unknown>;
  if (typeof nodes === 'function') {
    return { clients: () => Reflect.apply(nodes, given, []), driver: ioredis as Driver<unknown> };
  }
  const isNodeRedis = [connect, destroy, unref].every((each) => typeof each === 'function');
  if (typeof ping !== 'function' || (typeof status !== 'string' && !isNodeRedis)) {
    const hint = '; a pool, cluster or sentinel of node-redis does not give its clients';
    throw refusal(EXPECTED, given, { hint });
  }
  const driver = typeof status === 'string' ? ioredis : nodeRedis;
  return { clients: () => [given as Client], driver: driver as Driver<unknown> };
}

function newTarget<Client extends PingableIoredis | PingableNodeRedis>(
  client: Client,
  driver: Driver<Client>,
  { onDead }: Ready<Client>,
): Target {
  return {
    async ping() {
      await client.ping().catch(expectReply);
    },
    get bytesRead() {
      return driver.bytesRead(client);
    },
    // While the client reconnects, its silence does not count.
    get isPaused() {
      return !driver.isReady(client);
    },
    onDead(silence) {
      driver.reconnect(client);
      onDead?.(client, silence);
    },
  };
}

/** Accepts an error that the server has sent as an answer. It begins with its kind, such as `NOPERM`. */
function expectReply(error: unknown): void {
  if (!(error instanceof Error && /^[A-Z]{2,} /.test(error.message))) throw error;
}

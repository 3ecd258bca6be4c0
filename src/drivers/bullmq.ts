/** Keepalive timers for the connections of `bullmq`. @module tcp-keepalive/bullmq */
import { type IoredisClient, keepAliveIoredis } from './ioredis.ts';
import {
  driverRequest,
  expectTarget,
  isMethod,
  type KeepAliveInput,
  keepAliveError,
  listed,
  type Members,
  type OnError,
  report,
} from './kit.ts';

/** A `Queue`, `Worker`, `QueueEvents` or `FlowProducer` of BullMQ. */
export interface BullmqTarget {
  readonly opts: object;
  waitUntilReady(): Promise<unknown>;
}

/** The owner of the clients: the backend in BullMQ 6, the target itself in BullMQ 5. */
interface Clients {
  readonly client?: Promise<unknown>;
  readonly blockingClient?: Promise<unknown> | undefined;
  /** Private in BullMQ 5, which has no `blockingClient`. */
  readonly blockingConnection?: { readonly client?: Promise<unknown> };
}

/**
 * Holds keepalive timers on the connections of a `Queue`, a `Worker`, a `QueueEvents` or a `FlowProducer` of BullMQ,
 * and again each time they reconnect: that of a worker which waits for jobs too, which is a duplicate of the other one.
 * Clusters of ioredis work as well.
 *
 * BullMQ shows its clients once they are ready, and each connection after the first one has the timers from its first
 * SYN on. To have them from the very first SYN, give BullMQ a client that has them, which its duplicates take over:
 * `{ connection: keepAliveIoredis(new Redis({ maxRetriesPerRequest: null }), 'database') }`.
 *
 * A vanished peer now ends the connection with an `'error'`, `ETIMEDOUT`; BullMQ then connects again, and a worker
 * goes on with the jobs.
 *
 * A client that is not ioredis's (node-redis, Bun) and the PostgreSQL backend get no timers, which is reported.
 *
 * @param target - a `Queue`, `Worker`, `QueueEvents` or `FlowProducer`
 * @param options - a preset's name, or options in milliseconds
 * @param behaviour - `onError`: called with what could not be set, instead of a process warning
 * @returns the same target
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`, before anything is touched
 *
 * @example
 * ```ts
 * const worker = keepAliveBullmq(new Worker('mail', send, { connection: { host: 'cache' } }), 'database');
 * ```
 */
export function keepAliveBullmq<T extends BullmqTarget>(
  target: T,
  options: KeepAliveInput,
  behaviour: { onError?: OnError | undefined } = {},
): T {
  const request = driverRequest('keepAliveBullmq', options, behaviour);
  const { settings, onError } = request;
  expectTarget('a Queue, Worker, QueueEvents or FlowProducer of BullMQ', target, isTarget, request);
  const { client, blockingClient, blockingConnection } = clientsOf(target);
  const clients = [client, blockingClient ?? blockingConnection?.client].filter((each) => each !== undefined);
  if (clients.length === 0) report(notIoredis(), onError);
  for (const each of clients) {
    each.then(
      (ready) => {
        // One list for the sockets of all its clients.
        if (isIoredis(ready)) keepAliveIoredis(listed(ready, request), settings, { onError });
        else report(notIoredis(), onError);
      },
      // BullMQ reports it itself, with 'error'.
      () => {},
    );
  }
  return target;
}

function isTarget(target: Members): boolean {
  const { waitUntilReady, opts } = target;
  if (!isMethod(waitUntilReady) || typeof opts !== 'object') return false;
  return isMethod(target.getBackend) || 'client' in target;
}

function clientsOf(target: BullmqTarget): Clients {
  const { getBackend } = target as { getBackend?(): Clients };
  return getBackend === undefined ? (target as Clients) : getBackend.call(target);
}

/** A client that is ready has its stream, and a cluster its nodes; BullMQ's adapters for other clients have neither. */
function isIoredis(client: unknown): client is IoredisClient {
  const { stream, nodes } = (client ?? {}) as Members;
  return typeof stream === 'object' || isMethod(nodes);
}

function notIoredis(): Error {
  return keepAliveError(
    'ERR_KEEPALIVE_NOT_TCP',
    "Expected BullMQ to use ioredis, got another client; call installKeepAlive([{ port: 6379, use: 'database' }]), or " +
      'keepAlivePg(pool, options) for the pool of its PostgreSQL backend',
  );
}

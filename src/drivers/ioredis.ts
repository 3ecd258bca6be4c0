/** Keepalive timers for the connections of `ioredis`. @module tcp-keepalive/ioredis */
import type net from 'node:net';
import {
  afterEach,
  type DriverRequest,
  driverRequest,
  expectTarget,
  holdSocket,
  inPlaceOf,
  isEmitter,
  isInPlace,
  isMethod,
  isObjectOrAbsent,
  type KeepAliveInput,
  later,
  laterAt,
  type Members,
  type OnError,
} from './kit.ts';

/** A `Redis` of ioredis. */
export interface IoredisClient {
  /** Absent until it connects for the first time. */
  readonly stream: unknown;
  on(event: 'connect', listener: () => void): unknown;
}

/** A `Cluster` of ioredis. */
export interface IoredisCluster {
  nodes(): IoredisClient[];
  on(event: '+node', listener: (node: IoredisClient) => void): unknown;
}

/** Members that ioredis's types do not name: what makes or has the clients of its own. */
interface Internals {
  /** Of a client with Sentinels, its `connectToSentinel` returns the clients that ask them. */
  readonly connector?: object;
  /** Of a cluster: has the client on which it subscribes, another one each time that one is lost. */
  readonly subscriber?: { readonly subscriber: IoredisClient | null };
  /** Of a cluster with `shardedSubscribers`: has a client for each shard, and announces a new one. */
  readonly subscriberGroupEmitter?: NodeJS.EventEmitter;
  readonly shardedSubscribers?: { readonly shardedSubscribers: ReadonlyMap<string, ShardedSubscriber> };
}

interface ShardedSubscriber {
  getInstance(): IoredisClient | null;
}

/**
 * Holds keepalive timers on the connection of an ioredis client, open or not, and again each time it
 * reconnects; or on those of every node of a cluster, also of nodes found later. TLS, Sentinel and
 * subscriptions work too. The timers replace what ioredis's own `keepAlive` sets.
 *
 * What `duplicate()` and `monitor()` make has them too, and so have the clients that ioredis makes for itself: those
 * that ask Sentinels, and those on which a cluster subscribes or asks for its slots. The former are found through the
 * private `connector`, the latter in the private `subscriber` and `shardedSubscribers`; in a version that lacks these
 * they go without. A client without `lazyConnect` asks the first Sentinel before this can be called: that connection,
 * which ends with the answer, goes without as well.
 *
 * Each connection has them from its first SYN on, so that connecting and the TLS handshake are bounded too, beside
 * ioredis's `connectTimeout`, 10 s by default. The client's member `stream` becomes an accessor for this.
 *
 * A vanished peer now ends the connection with an `'error'`, `ETIMEDOUT`; ioredis then reconnects, and
 * repeats what was in flight up to `maxRetriesPerRequest` times.
 *
 * @param target - a `Redis` or a `Cluster`
 * @param options - a preset's name, or options in milliseconds
 * @param behaviour - `onError`: called with what could not be set, instead of a process warning
 * @returns the same client or cluster
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`, before anything is touched
 *
 * @example
 * ```ts
 * const redis = keepAliveIoredis(new Redis('redis://cache'), 'database');
 * ```
 */
export function keepAliveIoredis<T extends IoredisClient | IoredisCluster>(
  target: T,
  options: KeepAliveInput,
  behaviour: { onError?: OnError | undefined } = {},
): T {
  const request = driverRequest('keepAliveIoredis', options, behaviour);
  expectTarget('a Redis or Cluster of ioredis', target, isClientOrCluster, request);
  hold(target, request);
  return target;
}

function isClientOrCluster(target: Members): boolean {
  const { status, nodes, stream } = target;
  if (!isEmitter(target) || typeof status !== 'string') return false;
  return 'nodes' in target ? isMethod(nodes) : isObjectOrAbsent(stream);
}

function isCluster(target: IoredisClient | IoredisCluster): target is IoredisCluster {
  return 'nodes' in target;
}

function hold(target: IoredisClient | IoredisCluster, request: DriverRequest): void {
  if (isCluster(target)) holdCluster(target, request);
  else holdClient(target, request);
}

function holdClient(client: IoredisClient, request: DriverRequest): void {
  const told = later(client, request, (asked, made?: IoredisClient) => {
    if (made) hold(made, asked);
    else if (client.stream) holdSocket(client.stream as net.Socket, asked);
  });
  told();
  // ioredis sets `stream` for each connection, while that is still connecting, and emits nothing then.
  whenSet(client, 'stream', () => told());
  // This is also how a cluster makes those that ask for its slots.
  afterEach(client, 'duplicate', told);
  const { connector } = client as Internals;
  if (connector) afterEach(connector, 'connectToSentinel', told);
}

function holdCluster(cluster: IoredisCluster, request: DriverRequest): void {
  const told = laterAt(cluster, '+node', request, (asked, made?: IoredisClient | IoredisCluster | null) => {
    if (made) hold(made, asked);
  });
  for (const node of cluster.nodes()) told(node);
  afterEach(cluster, 'duplicate', told);
  const { subscriber, subscriberGroupEmitter, shardedSubscribers } = cluster as Internals;
  if (subscriber) {
    told(subscriber.subscriber);
    whenSet(subscriber, 'subscriber', told);
  }
  if (subscriberGroupEmitter && shardedSubscribers) {
    const holdEach = (asked: DriverRequest) => {
      for (const each of shardedSubscribers.shardedSubscribers.values()) {
        const client = each.getInstance();
        if (client) hold(client, asked);
      }
    };
    laterAt(subscriberGroupEmitter, '+subscriber', request, holdEach)();
  }
}

/** Calls a function with each value that a member of an object is set to. */
function whenSet<O extends object, M extends keyof O>(
  owner: O,
  member: M,
  told: (value: O[M]) => void,
): void {
  if (isInPlace(Object.getOwnPropertyDescriptor(owner, member)?.get)) return;
  let value = owner[member];
  Object.defineProperty(owner, member, {
    configurable: true,
    enumerable: true,
    get: inPlaceOf(undefined, () => value),
    set(set: O[M]) {
      value = set;
      told(set);
    },
  });
}

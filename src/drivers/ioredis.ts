/** Keepalive timers for the connections of `ioredis`. @module tcp-keepalive/ioredis */
import type net from 'node:net';
import {
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

/**
 * Holds keepalive timers on the connection of an ioredis client, open or not, and again each time it
 * reconnects; or on those of every node of a cluster, also of nodes found later. TLS, Sentinel and
 * subscriptions work too. The timers replace what ioredis's own `keepAlive` sets.
 *
 * Each connection has them from its first SYN on, so that connecting and the TLS handshake are bounded too, beside
 * ioredis's `connectTimeout`, 10 s by default. The client's member `stream` becomes an accessor for this. A client made by
 * `duplicate()`, the connections that ask Sentinels, and the one on which a cluster subscribes are clients of their own:
 * pass the duplicate to this function too.
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
  expectTarget('a Redis or Cluster of ioredis', target, isClientOrCluster);
  if (isCluster(target)) holdCluster(target, request);
  else holdClient(target, request);
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

function holdCluster(cluster: IoredisCluster, request: DriverRequest): void {
  for (const node of cluster.nodes()) holdClient(node, request);
  laterAt(cluster, '+node', request, (asked, node: IoredisClient) => holdClient(node, asked));
}

function holdClient(client: IoredisClient, request: DriverRequest): void {
  const told = later(client, request, (asked) => {
    if (client.stream) holdSocket(client.stream as net.Socket, asked);
  });
  told();
  whenSet(client, 'stream', told);
}

/** ioredis sets `stream` for each connection, while that is still connecting, and emits nothing then. */
function whenSet(client: IoredisClient, member: 'stream', told: () => void): void {
  if (isInPlace(Object.getOwnPropertyDescriptor(client, member)?.get)) return;
  let value: unknown = client[member];
  Object.defineProperty(client, member, {
    configurable: true,
    enumerable: true,
    get: inPlaceOf(undefined, () => value),
    set(set: unknown) {
      value = set;
      told();
    },
  });
}

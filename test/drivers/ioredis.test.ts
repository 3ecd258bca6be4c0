import { once } from 'node:events';
import net from 'node:net';
import { Cluster, type ClusterOptions, Redis, type RedisOptions } from 'ioredis';
import { keepAliveIoredis } from 'tcp-keepalive/ioredis';
import { expectDetection, vanish } from 'tcp-keepalive/testing';
import { expect, onTestFinished, test, vi } from 'vitest';
import { describeWithServer } from '../helpers/describe-with-server.ts';
import {
  connectedSockets,
  errorOf,
  expectInTime,
  idleAMoment,
  only,
  proxyTo,
  quick,
  quickInKernel,
} from '../helpers/driver-under-test.ts';
import { listen } from '../helpers/listen.ts';
import { PATIENCE } from '../helpers/patience.ts';
import { kernelValues } from '../helpers/raw-options.ts';
import { type RunningServer, startServer } from '../helpers/server-process.ts';
import { redis } from '../helpers/start-redis.ts';
import { certificate, certificateKey } from '../helpers/test-certificate.ts';

describeWithServer('keepAliveIoredis', redis, (server) => {
  type Connecting = 'port' | 'path' | 'tls' | 'lazyConnect' | 'retryStrategy' | 'connectTimeout';
  type Sentinels = 'sentinels' | 'name' | 'failoverDetector';
  const newClient = (options: Pick<RedisOptions, Connecting | Sentinels>) => {
    const { host, port, password } = server();
    return closedAfterTest(new Redis({ host, port, password, ...options }));
  };

  test('held through commands, idling and reconnecting', async () => {
    const client = newClient({});
    expect(keepAliveIoredis(client, quick)).toBe(client);
    await once(client, 'ready');
    for (let connection = 0; connection < 2; connection++) {
      await client.set('key', 'value');
      await idleAMoment();
      expect(kernelValues(client.stream as net.Socket)).toBe(quickInKernel);
      const isReadyAgain = once(client, 'ready');
      (client.stream as net.Socket).destroy();
      await isReadyAgain;
    }
  });

  test('a client that is connected already', async () => {
    const client = newClient({});
    await client.ping();
    expect(kernelValues(client.stream as net.Socket)).not.toBe(quickInKernel);
    keepAliveIoredis(client, quick);
    expect(kernelValues(client.stream as net.Socket)).toBe(quickInKernel);
  });

  test.for(['idle', 'unacknowledged'] as const)('a vanished server is noticed in time: %s', async (state) => {
    const proxy = await proxyTo(server());
    const client = keepAliveIoredis(newClient({ port: proxy.port, retryStrategy: () => null }), quick);
    await client.ping();
    await idleAMoment();
    await proxy.vanish();
    let pending: Promise<unknown> = Promise.resolve();
    const [error] = await expectInTime(state, client.stream as net.Socket, () => {
      const failed = once(client, 'error');
      if (state === 'unacknowledged') pending = errorOf(client.ping());
      return failed;
    });
    expect(error.code).toBe('ETIMEDOUT');
    await pending;
  });

  test('a Unix socket works on, and its error is reported', async () => {
    const errors: Error[] = [];
    const onError = (error: Error) => errors.push(error);
    const client = keepAliveIoredis(newClient({ path: server().socketPath }), quick, { onError });
    expect(await client.ping()).toBe('PONG');
    expect(errors[0]).toMatchObject({ code: 'ERR_KEEPALIVE_NOT_TCP' });
  });

  test('a cluster: its known and its later nodes', async () => {
    const node = await startClusterNode();
    const cluster = newCluster(node, { lazyConnect: true });
    keepAliveIoredis(cluster, quick);
    await cluster.connect();
    await cluster.set('key', 'value');
    await idleAMoment();
    const sockets = cluster.nodes().map(({ stream }) => stream as net.Socket);
    expect(sockets.map(kernelValues)).toEqual([quickInKernel]);

    const other = { ...quick, count: 5 };
    keepAliveIoredis(cluster, other);
    expect(sockets.map(kernelValues)).toEqual(['1:1/1/5 5500']);
  });

  test('over TLS: a vanished server is noticed in time', async () => {
    const proxy = await proxyTo({ port: await startTlsServer(server().password) });
    const tls = { ca: certificate };
    const client = keepAliveIoredis(newClient({ port: proxy.port, tls, retryStrategy: () => null }), quick);
    await client.ping();
    await idleAMoment();
    expect(kernelValues(client.stream as net.Socket)).toBe(quickInKernel);
    await proxy.vanish();
    const [error] = await expectInTime('idle', client.stream as net.Socket, () => once(client, 'error'));
    expect(error.code).toBe('ETIMEDOUT');
  });

  test('a server that a Sentinel names', async () => {
    const sentinels = [{ host: '127.0.0.1', port: await startSentinel(server()) }];
    const client = newClient({ sentinels, name: 'main', lazyConnect: true });
    keepAliveIoredis(client, quick);
    await client.connect();
    await client.ping();
    await idleAMoment();
    const stream = client.stream as net.Socket;
    expect(stream.remotePort).toBe(server().port);
    expect(kernelValues(stream)).toBe(quickInKernel);
  });

  test('what duplicate() makes, and what that duplicates', async () => {
    const client = keepAliveIoredis(newClient({ lazyConnect: true }), quick);
    const duplicate = closedAfterTest(client.duplicate());
    const another = closedAfterTest(duplicate.duplicate());
    for (const each of [duplicate, another]) {
      await each.connect();
      await each.ping();
      await idleAMoment();
      expect(kernelValues(each.stream as net.Socket)).toBe(quickInKernel);
    }

    keepAliveIoredis(client, { ...quick, count: 5 });
    const later = closedAfterTest(client.duplicate({ lazyConnect: false }));
    await later.ping();
    expect(kernelValues(later.stream as net.Socket)).toBe('1:1/1/5 5500');
    expect(kernelValues(duplicate.stream as net.Socket)).toBe(quickInKernel);
  });

  test('the connection that monitor() makes', async () => {
    const client = keepAliveIoredis(newClient({}), quick);
    const monitor = closedAfterTest(await client.monitor());
    await idleAMoment();
    expect(monitor.stream).not.toBe(client.stream);
    expect(kernelValues(monitor.stream as net.Socket)).toBe(quickInKernel);
  });

  test('a Sentinel that has vanished is given up in time, and the next one is asked', async () => {
    const silent = net.createServer();
    const port = await listen(silent);
    vanish(silent);
    const sentinels = [port, await startSentinel(server())].map((port) => ({ host: '127.0.0.1', port }));
    const options = { ...quick, userTimeout: 1_000 };
    const client = newClient({ sentinels, name: 'main', lazyConnect: true, connectTimeout: 100_000 });
    keepAliveIoredis(client, options);
    const told = once(client, 'sentinelError');
    const connected = client.connect();
    const [error] = (await expectDetection(told, options, { state: 'connecting' })) as [Error];
    expect(error.message).toContain(`failed to connect to sentinel 127.0.0.1:${port}`);
    await connected;
    expect(await client.ping()).toBe('PONG');
  });

  test('the connection on which a Sentinel tells of a failover', async () => {
    const port = await startSentinel(server());
    const opened = connectedSockets();
    const sentinels = [{ host: '127.0.0.1', port }];
    const client = newClient({ sentinels, name: 'main', failoverDetector: true, lazyConnect: true });
    keepAliveIoredis(client, quick);
    const subscribed = once(client, 'failoverSubscribed');
    await client.connect();
    await subscribed;
    await idleAMoment();
    expect(kernelValues(only(opened.to(port)))).toBe(quickInKernel);
  });

  test.each([
    { kind: 'subscriber', sharded: false },
    { kind: 'ssubscriber', sharded: true },
  ])('a cluster: its $kind, and the one after that is lost', async ({ kind, sharded }) => {
    const node = await startClusterNode();
    const opened = connectedSockets();
    const cluster = newCluster(node, { shardedSubscribers: sharded, lazyConnect: true });
    keepAliveIoredis(cluster, quick);
    await cluster.connect();
    const subscribed = () => (sharded ? cluster.ssubscribe('news') : cluster.subscribe('news'));
    await subscribed();
    const first = await connectionNamed(node, kind, opened);
    await idleAMoment();
    expect(kernelValues(first)).toBe(quickInKernel);

    first.destroy();
    const second = await connectionNamed(node, kind, opened, first);
    await idleAMoment();
    expect(kernelValues(second)).toBe(quickInKernel);

    keepAliveIoredis(cluster, { ...quick, count: 5 });
    expect(kernelValues(second)).toBe('1:1/1/5 5500');
  });

  test('a cluster that is connected and subscribed already', async () => {
    const node = await startClusterNode();
    const opened = connectedSockets();
    const cluster = newCluster(node, { shardedSubscribers: true });
    await cluster.subscribe('news');
    await cluster.ssubscribe('news');
    const kinds = ['subscriber', 'ssubscriber'];
    const sockets = await Promise.all(kinds.map((kind) => connectionNamed(node, kind, opened)));
    expect(sockets.map(kernelValues)).not.toContain(quickInKernel);
    keepAliveIoredis(cluster, quick);
    expect(sockets.map(kernelValues)).toEqual([quickInKernel, quickInKernel]);
  });

  test('a cluster subscriber whose server vanishes notices it in time', async () => {
    const node = await startClusterNode();
    const proxy = await proxyTo(node);
    const opened = connectedSockets();
    const natMap = { [`127.0.0.1:${node.port}`]: { host: '127.0.0.1', port: proxy.port } };
    const cluster = newCluster({ host: '127.0.0.1', port: proxy.port }, { natMap, lazyConnect: true });
    keepAliveIoredis(cluster, quick);
    await cluster.connect();
    await cluster.subscribe('news');
    await idleAMoment();
    // The connections that ask for slots come and go: the subscriber's is the one that a message comes by.
    const nodes = cluster.nodes().map(({ stream }) => stream);
    const others = opened.to(proxy.port).filter((socket) => !nodes.includes(socket));
    const before = others.map(({ bytesRead }) => bytesRead);
    const heard = once(cluster, 'message');
    await cluster.publish('news', 'a message');
    await heard;
    const subscriber = only(others.filter(({ bytesRead }, index) => bytesRead !== before[index]));
    await idleAMoment();
    await proxy.vanish();
    const [error] = await expectInTime('idle', subscriber, () => once(subscriber, 'error'));
    expect(error.code).toBe('ETIMEDOUT');
  });

  test('the duplicate of a cluster, and the connections with which it asks for its slots', async () => {
    const node = await startClusterNode();
    const cluster = keepAliveIoredis(newCluster(node, { lazyConnect: true }), quick);
    const opened = connectedSockets();
    const duplicate = cluster.duplicate();
    onTestFinished(() => duplicate.disconnect());
    const asked = new Set<string>();
    const end = vi.spyOn(net.Socket.prototype, 'end').mockImplementation(function (this: net.Socket) {
      asked.add(kernelValues(this));
      return this.destroy();
    });
    onTestFinished(() => end.mockRestore());
    await duplicate.connect();
    await duplicate.set('key', 'value');
    await idleAMoment();
    expect([...asked]).toEqual([quickInKernel]);
    expect(new Set(opened.to(node.port).map(kernelValues))).toEqual(new Set([quickInKernel]));
  });

  test('wrong options leave the client as it was', () => {
    const client = newClient({ lazyConnect: true });
    const listeners = client.listenerCount('connect');
    expect(() => keepAliveIoredis(client, { userTimeout: 30 })).toThrow(
      expect.objectContaining({ code: 'ERR_KEEPALIVE_INVALID_OPTION' }),
    );
    expect(client.listenerCount('connect')).toBe(listeners);
  });
});

function newCluster(
  node: { host: string; port: number },
  options: Pick<ClusterOptions, 'lazyConnect' | 'shardedSubscribers' | 'natMap'>,
): Cluster {
  const cluster = new Cluster([node], options);
  cluster.on('error', () => {});
  onTestFinished(() => cluster.disconnect());
  return cluster;
}

/** The socket of the connection that a cluster calls so, another one than `before`. */
async function connectionNamed(
  node: { host: string; port: number },
  kind: string,
  opened: ReturnType<typeof connectedSockets>,
  before?: net.Socket,
): Promise<net.Socket> {
  const admin = closedAfterTest(new Redis(node.port, node.host));
  return vi.waitFor(
    async () => {
      const clients = String(await admin.client('LIST')).split('\n');
      const named = clients.filter((line) => line.includes(`name=ioredis-cluster(${kind})`));
      const ports = named.map((line) => Number(/ addr=\S+:(\d+)/.exec(line)?.[1]));
      const found = opened.to(node.port).filter(({ localPort }) => ports.includes(Number(localPort)));
      return only(found.filter((socket) => socket !== before));
    },
    { timeout: PATIENCE },
  );
}

function closedAfterTest(client: Redis): Redis {
  client.on('error', () => {});
  onTestFinished(() => client.disconnect());
  return client;
}

/** One node that has all slots. */
async function startClusterNode(): Promise<{ host: string; port: number }> {
  const port = await startRedis(
    ['cluster-enabled yes', 'cluster-announce-ip 127.0.0.1', `cluster-port ${await freePort()}`, 'save ""'],
    (port) => ['--port', String(port)],
  );
  const admin = closedAfterTest(new Redis(port, '127.0.0.1'));
  await admin.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383');
  while (!String(await admin.call('CLUSTER', 'INFO')).includes('cluster_state:ok')) await idleAMoment();
  return { host: '127.0.0.1', port };
}

function startTlsServer(password: string): Promise<number> {
  return startRedis(
    [
      'tls-cert-file cert.pem',
      'tls-key-file key.pem',
      'tls-auth-clients no',
      `requirepass ${password}`,
      'save ""',
    ],
    (port) => ['--port', '0', '--tls-port', String(port)],
  );
}

function startSentinel(master: RunningServer): Promise<number> {
  return startRedis(
    [`sentinel monitor main ${master.host} ${master.port} 1`, `sentinel auth-pass main ${master.password}`],
    (port) => ['--sentinel', '--port', String(port)],
  );
}

/** Starts a Redis for one test. */
async function startRedis(
  settings: readonly string[],
  listening: (port: number) => readonly string[],
): Promise<number> {
  const { port, home } = await startServer({
    name: 'redis',
    stopSignal: 'TERM',
    ready: /Ready to accept connections|\+monitor master/,
    prepare: async (home) => {
      home.write('cert.pem', certificate);
      home.write('key.pem', certificateKey);
      const config = home.write('redis.conf', ['bind 127.0.0.1', ...settings].join('\n'));
      return (port) => ['redis-server', config, ...listening(port)];
    },
  });
  onTestFinished(() => home.close());
  return port;
}

async function freePort(): Promise<number> {
  const listener = net.createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as net.AddressInfo;
  listener.close();
  return port;
}

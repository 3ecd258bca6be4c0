import { once } from 'node:events';
import net from 'node:net';
import { Cluster, Redis, type RedisOptions } from 'ioredis';
import { keepAliveIoredis } from 'tcp-keepalive/ioredis';
import { expect, onTestFinished, test } from 'vitest';
import { describeWithServer } from '../helpers/describe-with-server.ts';
import {
  errorOf,
  expectInTime,
  idleAMoment,
  proxyTo,
  quick,
  quickInKernel,
} from '../helpers/driver-under-test.ts';
import { kernelValues } from '../helpers/raw-options.ts';
import { type RunningServer, startServer } from '../helpers/server-process.ts';
import { redis } from '../helpers/start-redis.ts';
import { certificate, certificateKey } from '../helpers/test-certificate.ts';

describeWithServer('keepAliveIoredis', redis, (server) => {
  type Own = 'port' | 'path' | 'tls' | 'sentinels' | 'name' | 'lazyConnect' | 'retryStrategy';
  const newClient = (options: Pick<RedisOptions, Own>) => {
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
    const cluster = new Cluster([node], { lazyConnect: true });
    onTestFinished(() => cluster.disconnect());
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

  test('wrong options leave the client as it was', () => {
    const client = newClient({ lazyConnect: true });
    const listeners = client.listenerCount('connect');
    expect(() => keepAliveIoredis(client, { userTimeout: 30 })).toThrow(
      expect.objectContaining({ code: 'ERR_KEEPALIVE_INVALID_OPTION' }),
    );
    expect(client.listenerCount('connect')).toBe(listeners);
  });
});

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

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
import { startServer } from '../helpers/server-process.ts';
import { redis } from '../helpers/start-redis.ts';

describeWithServer('keepAliveIoredis', redis, (server) => {
  const newClient = (options: Pick<RedisOptions, 'port' | 'path' | 'lazyConnect' | 'retryStrategy'>) => {
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
    proxy.vanish();
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
  const busPort = await freePort();
  const { port, home } = await startServer({
    name: 'redis-cluster',
    stopSignal: 'TERM',
    ready: /Ready to accept connections/,
    prepare: async (home) => {
      const settings = [
        'bind 127.0.0.1',
        'cluster-enabled yes',
        'cluster-announce-ip 127.0.0.1',
        `cluster-port ${busPort}`,
        'save ""',
      ];
      const config = home.write('redis.conf', settings.join('\n'));
      return (port) => ['redis-server', config, '--port', String(port)];
    },
  });
  onTestFinished(() => home.close());
  const admin = closedAfterTest(new Redis(port, '127.0.0.1'));
  await admin.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383');
  while (!String(await admin.call('CLUSTER', 'INFO')).includes('cluster_state:ok')) await idleAMoment();
  return { host: '127.0.0.1', port };
}

async function freePort(): Promise<number> {
  const listener = net.createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as net.AddressInfo;
  listener.close();
  return port;
}

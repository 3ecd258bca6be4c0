import { once } from 'node:events';
import type net from 'node:net';
import { Cluster, Redis, type RedisOptions } from 'ioredis';
import { createClient, createClientPool, createCluster, createSentinel } from 'redis';
import { type Heartbeat, heartbeatRedis, type Silence } from 'tcp-keepalive/heartbeat';
import { vanishingProxy } from 'tcp-keepalive/testing';
import { describe, expect, it, onTestFinished, test, vi } from 'vitest';
import { describeWithServer } from '../helpers/describe-with-server.ts';
import { idleAMoment } from '../helpers/driver-under-test.ts';
import {
  afterBeats,
  deathOf,
  expectInTime,
  expectLongWait,
  type Later,
  rhythm,
} from '../helpers/heartbeats.ts';
import { PATIENCE } from '../helpers/patience.ts';
import type { RunningServer } from '../helpers/server-process.ts';
import { slowPath } from '../helpers/slow-path.ts';
import { redis } from '../helpers/start-redis.ts';

/** What both drivers have. */
interface Client {
  get(key: string): Promise<unknown>;
  set(key: string, value: string): Promise<unknown>;
  /** Starts a heartbeat of the client. */
  beat(options: typeof rhythm & { onDead?: (client: unknown, silence: Silence) => void }): Heartbeat;
}

type Login = Pick<RunningServer, 'host' | 'port' | 'user' | 'password'>;
type Driver = (login: Login, later: Later) => Promise<Client>;

const drivers: Readonly<Record<'ioredis' | 'node-redis', Driver>> = {
  ioredis: async (login, later) => {
    const client = newIoredis(login, later);
    await once(client, 'ready');
    return {
      get: (key) => client.get(key),
      set: (key, value) => client.set(key, value),
      beat: (options) => heartbeatRedis(client, options),
    };
  },
  'node-redis': async (login, later) => {
    const client = await newNodeRedis(login, later);
    return {
      get: (key) => client.get(key),
      set: (key, value) => client.set(key, value),
      beat: (options) => heartbeatRedis(client, options),
    };
  },
};

function newIoredis({ host, port, user: username, password }: Login, later: Later, own: Own = {}): Redis {
  const client = new Redis({ host, port, username, password, ...own });
  client.on('error', () => {});
  later(() => client.disconnect());
  return client;
}
type Own = Pick<RedisOptions, 'protocol' | 'commandTimeout'>;

// The type that redis infers for its clients cannot be written down.
// biome-ignore lint/suspicious/noExplicitAny: as above
async function newNodeRedis(login: Login, later: Later): Promise<ReturnType<typeof createClient<any, any>>> {
  const { host, port, user: username, password } = login;
  const client = createClient({ socket: { host, port }, username, password });
  client.on('error', () => {});
  later(() => client.destroy());
  await client.connect();
  return client;
}

describeWithServer('heartbeatRedis', redis, (server) => {
  const login = (changes: Partial<Login> = {}): Login => ({ ...server(), ...changes });

  describe.each(Object.entries(drivers))('%s', (driver, connect) => {
    it.concurrent('ends the connection of a server that has vanished, and the client makes another', async ({
      onTestFinished,
    }) => {
      const proxy = await vanishingProxy({ to: server().port });
      onTestFinished(() => proxy.close());
      const client = await connect(login({ port: proxy.port }), onTestFinished);
      await client.set('key', 'value');
      const silences: Silence[] = [];
      const elapsed = await deathOf(
        onTestFinished,
        (onDead) =>
          client.beat({
            ...rhythm,
            onDead(_client, silence) {
              silences.push(silence);
              onDead();
            },
          }),
        () => proxy.vanish(),
      );
      expectInTime(elapsed);
      expect(silences[0]?.duration).toBeGreaterThanOrEqual(rhythm.timeout - 50);
      await proxy.restore();
      expect(await client.get('key')).toBe('value');
      await afterBeats(3);
      expect(silences).toHaveLength(1);
    });

    it.concurrent('takes an error that the server sends for an answer', async ({ onTestFinished }) => {
      const admin = newIoredis(login(), onTestFinished);
      const user = `mute-${driver}`;
      await admin.call('ACL', 'SETUSER', user, 'on', `>${server().password}`, '~*', '+@all', '-ping');
      const client = await connect(login({ user }), onTestFinished);
      const onDead = vi.fn();
      const beating = client.beat({ ...rhythm, onDead });
      onTestFinished(beating.stop);
      await afterBeats(4);
      expect(beating.roundTrip).toBeGreaterThan(0);
      expect([beating.misses, onDead.mock.calls]).toEqual([0, []]);
    });

    it.concurrent('tells of nobody while the client connects again, although a ping was out', async ({
      onTestFinished,
    }) => {
      const proxy = await vanishingProxy({ to: server().port });
      const client = await connect(login({ port: proxy.port }), onTestFinished);
      const onDead = vi.fn();
      const beating = client.beat({ every: 1_000, timeout: 3_000, onDead });
      onTestFinished(beating.stop);
      await idleAMoment();
      await proxy.vanish();
      await vi.waitFor(() => expect(beating.misses).toBeGreaterThan(0), { timeout: PATIENCE, interval: 10 });
      await proxy.close();
      await afterBeats(5);
      expect([beating.misses, onDead.mock.calls]).toEqual([0, []]);
    });
  });

  test.concurrent.for([2, 3] as const)(
    'ioredis: a client that subscribes, in RESP%s',
    async (protocol, { onTestFinished }) => {
      const client = newIoredis(login(), onTestFinished, { protocol });
      await client.subscribe('channel');
      const onDead = vi.fn();
      const beating = heartbeatRedis(client, { ...rhythm, onDead });
      onTestFinished(beating.stop);
      await vi.waitFor(() => expect(beating.roundTrip).toBeGreaterThan(0), { timeout: PATIENCE });
      await afterBeats(3);
      expect(onDead).not.toHaveBeenCalled();
    },
  );

  it.concurrent('ioredis: lets a server live whose answer waits behind a long reply', async ({
    onTestFinished,
  }) => {
    const path = await slowPath(server(), 1_000_000);
    onTestFinished(() => path.close());
    const direct = newIoredis(login(), onTestFinished);
    await direct.set('long', 'x'.repeat(4_000_000));
    const client = newIoredis(login({ port: path.port }), onTestFinished);
    await once(client, 'ready');
    const onDead = vi.fn();
    const started = performance.now();
    const beating = heartbeatRedis(client, { ...rhythm, onDead });
    onTestFinished(beating.stop);
    expect(await client.strlen('long')).toBe(4_000_000);
    expect((await client.get('long'))?.length).toBe(4_000_000);
    expectLongWait(performance.now() - started, rhythm);
    await vi.waitFor(() => expect(beating.roundTrip).toBeGreaterThan(0), { timeout: PATIENCE });
    expect(onDead).not.toHaveBeenCalled();
  });

  it.concurrent('ioredis: tells of a silent server if its own commandTimeout is shorter', async ({
    onTestFinished,
  }) => {
    const proxy = await vanishingProxy({ to: server().port });
    onTestFinished(() => proxy.close());
    const client = newIoredis(login({ port: proxy.port }), onTestFinished, { commandTimeout: 300 });
    await once(client, 'ready');
    const elapsed = await deathOf(
      onTestFinished,
      (onDead) => heartbeatRedis(client, { ...rhythm, onDead }),
      () => proxy.vanish(),
    );
    expectInTime(elapsed);
  });

  it.concurrent('ioredis: the nodes of a cluster, those that come later too', async ({ onTestFinished }) => {
    const cluster = new Cluster([{ host: '127.0.0.1', port: 1 }], { lazyConnect: true });
    onTestFinished(() => cluster.disconnect());
    const nodes = vi.spyOn(cluster, 'nodes').mockReturnValue([]);
    const dead: Redis[] = [];
    // Long enough for the living one, also on a busy machine.
    const patient = { every: 1_000, timeout: 5_000 };
    const beating = heartbeatRedis(cluster, { ...patient, onDead: (client) => dead.push(client) });
    onTestFinished(beating.stop);
    const proxy = await vanishingProxy({ to: server().port });
    onTestFinished(() => proxy.close());
    const [living, silent] = [
      newIoredis(login(), onTestFinished),
      newIoredis(login({ port: proxy.port }), onTestFinished),
    ];
    nodes.mockReturnValue([living, silent]);
    await vi.waitFor(() => expect(beating.roundTrip).toBeGreaterThan(0), { timeout: PATIENCE });
    await proxy.vanish();
    await vi.waitFor(() => expect(dead).toEqual([silent]), { timeout: PATIENCE });
  });

  it.concurrent('pings no client that has ended, and one that connects again', async ({ onTestFinished }) => {
    const client = await newNodeRedis(login(), onTestFinished);
    const ping = vi.spyOn(client, 'ping');
    const beating = heartbeatRedis(client, rhythm);
    onTestFinished(beating.stop);
    await vi.waitFor(() => expect(beating.roundTrip).toBeGreaterThan(0), { timeout: PATIENCE });
    await client.close();
    const pings = ping.mock.calls.length;
    await afterBeats(2);
    expect(ping).toHaveBeenCalledTimes(pings);
    await client.connect();
    await vi.waitFor(() => expect(ping.mock.calls.length).toBeGreaterThan(pings), { timeout: PATIENCE });
  });
});

function processOf(info: string | undefined): number {
  const [, pid] = /process_id:(\d+)/.exec(info ?? '') ?? [];
  if (pid === undefined) throw new Error('INFO names no process');
  return Number(pid);
}

describeWithServer('heartbeatRedis and a server that hangs', redis, (server) => {
  it('destroys the sockets, and subscriptions survive', async () => {
    const io = newIoredis(server(), onTestFinished);
    const node = await newNodeRedis(server(), onTestFinished);
    const heard: string[] = [];
    io.on('message', (_channel, message) => heard.push(`ioredis ${message}`));
    await io.subscribe('channel');
    await node.subscribe('channel', (message) => heard.push(`node-redis ${message}`));
    const admin = newIoredis(server(), onTestFinished);
    const pid = processOf(await admin.info('server'));
    const socket = io.stream as net.Socket;

    const dead = new Set<unknown>();
    const onDead = (client: unknown) => dead.add(client);
    for (const { stop } of [
      heartbeatRedis(io, { ...rhythm, onDead }),
      heartbeatRedis(node, { ...rhythm, onDead }),
    ])
      onTestFinished(stop);
    process.kill(pid, 'SIGSTOP');
    onTestFinished(() => void process.kill(pid, 'SIGCONT'));
    await vi.waitFor(() => expect(dead.size).toBe(2), { timeout: PATIENCE });
    expect(socket.destroyed).toBe(true);

    process.kill(pid, 'SIGCONT');
    await vi.waitFor(
      async () => {
        await admin.publish('channel', 'back');
        expect(new Set(heard)).toEqual(new Set(['ioredis back', 'node-redis back']));
      },
      { timeout: PATIENCE, interval: 200 },
    );
  });
});

describe('heartbeatRedis refuses what it cannot ping, and names what it takes', () => {
  test.each<[string, unknown]>([
    ['a pool of node-redis', createClientPool()],
    ['a cluster of node-redis', createCluster({ rootNodes: [] })],
    [
      'a sentinel of node-redis',
      createSentinel({ name: 'main', sentinelRootNodes: [{ host: '127.0.0.1', port: 1 }] }),
    ],
    ['an object with a ping()', { ping: async () => {} }],
  ])('%s', (_what, target) => {
    expect(() => heartbeatRedis(target as never)).toThrow(
      expect.objectContaining({
        code: 'ERR_KEEPALIVE_INVALID_OPTION',
        message: expect.stringContaining('a Redis or Cluster of ioredis, or a client of node-redis'),
      }),
    );
  });
});

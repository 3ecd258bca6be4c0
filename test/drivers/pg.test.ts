import { EventEmitter, once } from 'node:events';
import type net from 'node:net';
import pg from 'pg';
import { expectDetection, type VanishingProxy, vanishingProxy } from 'tcp-keepalive/testing';
import {
  describe,
  expect,
  expectTypeOf,
  type MockInstance,
  onTestFinished,
  type TestContext,
  test,
  vi,
} from 'vitest';
import { keepAlivePg } from '../../src/drivers/pg.ts';
import { keepAlive, type OnError } from '../../src/index.ts';
import { describeWithServer } from '../helpers/describe-with-server.ts';
import { PATIENCE } from '../helpers/patience.ts';
import { kernelValues } from '../helpers/raw-options.ts';
import { postgres } from '../helpers/start-postgres.ts';

const DATABASE = '1:10/5/3 24500';
const SCALED_DOWN = { initialDelay: 1_000, interval: 1_000, count: 2, userTimeout: 'auto' } as const;

/** How each connection is made, and what pg and the kernel leave on it without this library. */
const kinds = ['plain', 'TLS', 'direct TLS'] as const;
const ownOptions = [
  {},
  { keepAlive: true },
  { keepAlive: true, keepAliveInitialDelayMillis: 20_000 },
] satisfies pg.ClientConfig[];
const rows = kinds.flatMap((kind) => ownOptions.map((own) => ({ kind, own })));

describeWithServer('keepAlivePg', postgres, (server) => {
  test.each(rows)('a pool: $kind, $own', async ({ kind, own }) => {
    const pool = newPool({ ...config(kind), ...own });
    const [earlier, asItComes] = [await pool.connect(), await pool.connect()];
    const before = kernelValues(socketOf(asItComes));
    expect(before).not.toBe(DATABASE);
    expect(kernelValues(socketOf(earlier))).toBe(before);

    const connecting = pool.connect();
    expect(keepAlivePg(pool, 'database')).toBe(pool);
    const clients = [earlier, asItComes, await connecting, await pool.connect()];

    for (const client of clients) {
      expect(kernelValues(socketOf(client))).toBe(DATABASE);
      await client.query('SELECT 1');
      client.release();
    }
    await pool.query('SELECT 1');
    for (const client of clients) expect(kernelValues(socketOf(client))).toBe(DATABASE);
  });

  test.each(rows)('a client before and after it connects: $kind, $own', async ({ kind, own }) => {
    const asItComes = newClient({ ...config(kind), ...own });
    await asItComes.connect();
    expect(kernelValues(socketOf(asItComes))).not.toBe(DATABASE);
    expect(keepAlivePg(asItComes, 'database')).toBe(asItComes);
    expect(kernelValues(socketOf(asItComes))).toBe(DATABASE);

    const early = keepAlivePg(newClient({ ...config(kind), ...own }), 'database');
    const connected = once(socketOf(early), 'connect');
    const loggedIn = early.connect();
    await connected;
    // Before the driver has logged in, and before the TLS upgrade.
    expect(kernelValues(socketOf(early))).toBe(DATABASE);
    await loggedIn;
    await early.query('SELECT 1');
    expect(kernelValues(socketOf(early))).toBe(DATABASE);
  });

  test('what was set for one client by hand stays', async () => {
    const pool = keepAlivePg(newPool(config('plain')), 'database');
    pool.prependListener('connect', (client) => void keepAlive(socketOf(client), 'tunnel'));
    expect(kernelValues(socketOf(await pool.connect()))).toBe('1:30/10/6 89500');
  });

  test('a pool over a Unix socket works as before, and its onError is told', async () => {
    const onError = vi.fn<OnError>();
    const pool = newPool({ ...config('plain'), host: server().socketPath });
    keepAlivePg(pool, 'database', { onError });
    const { rows } = await pool.query<{ address: string | null }>('SELECT inet_client_addr() AS address');
    expect(rows).toEqual([{ address: null }]);
    expect(onError).toHaveBeenCalledWith(expect.objectContaining({ code: 'ERR_KEEPALIVE_NOT_TCP' }));
  });

  describe("a pool without an 'error' listener", () => {
    test('no warning for one that is added on the next line', async () => {
      const warn = spyOnWarnings();
      const open = newPool(config('plain'));
      open.removeAllListeners('error');
      await open.query('SELECT 1');
      keepAlivePg(open, 'database');
      open.on('error', () => {});
      await open.query('SELECT 1');

      const fresh = keepAlivePg(new pg.Pool(config('plain')), 'database');
      onTestFinished(() => fresh.end());
      fresh.on('error', () => {});
      await fresh.query('SELECT 1');
      expect(warn).not.toHaveBeenCalled();
    });

    test('one warning where its clients are open already', async () => {
      const warn = spyOnWarnings();
      const pool = newPool(config('plain'));
      await pool.query('SELECT 1');
      pool.removeAllListeners('error');
      // A process is warned once, and this is as in a fresh one.
      vi.resetModules();
      const fresh = await import('../../src/drivers/pg.ts');
      fresh.keepAlivePg(pool, 'database');
      expect(warn).not.toHaveBeenCalled();
      await vi.waitFor(
        () =>
          expect(warn).toHaveBeenCalledExactlyOnceWith(
            expect.stringContaining("pool.on('error', listener)"),
            expect.objectContaining({ code: 'ERR_KEEPALIVE_NO_ERROR_LISTENER' }),
          ),
        PATIENCE,
      );
    });

    test('one warning, when its first client connects', async () => {
      const warn = spyOnWarnings();
      const pools = [new pg.Pool(config('plain')), new pg.Pool(config('plain'))];
      for (const pool of pools) {
        onTestFinished(() => pool.end());
        keepAlivePg(pool, 'database');
        expect(warn).toHaveBeenCalledTimes(pool === pools[0] ? 0 : 1);
        await Promise.all([pool.query('SELECT 1'), pool.query('SELECT 1')]);
      }
      expect(warn).toHaveBeenCalledExactlyOnceWith(
        expect.stringContaining("pool.on('error', listener)"),
        expect.objectContaining({ code: 'ERR_KEEPALIVE_NO_ERROR_LISTENER' }),
      );
    });
  });

  describe.each(['plain', 'TLS'] as const)('the server vanishes: %s', { concurrent: true }, (kind) => {
    test("an idle client: the pool's 'error'", async ({ onTestFinished }) => {
      const { pool, proxy } = await poolThroughProxy(onTestFinished);
      const client = await pool.connect();
      await client.query('SELECT 1');
      client.release();
      await proxy.vanish();

      const idle = { state: 'idle', socket: socketOf(client) } as const;
      const noticed = await expectDetection(once(pool, 'error'), SCALED_DOWN, idle);
      expect(noticed).toMatchObject([{ code: 'ETIMEDOUT', client }, client]);
      expect(pool.totalCount).toBe(0);
    });

    test("a client checked out, and idle: its own 'error'", async ({ onTestFinished }) => {
      const { pool, proxy } = await poolThroughProxy(onTestFinished);
      const client = await pool.connect();
      await client.query('SELECT 1');
      await proxy.vanish();

      const idle = { state: 'idle', socket: socketOf(client) } as const;
      const noticed = await expectDetection(once(client, 'error'), SCALED_DOWN, idle);
      expect(noticed).toMatchObject([{ code: 'ETIMEDOUT' }]);
      client.on('error', () => {}); // The end of its stream is one more.
      client.release(true);
    });

    test("a client checked out, with a query in flight: the query's error and its own", async ({
      onTestFinished,
    }) => {
      const { pool, proxy } = await poolThroughProxy(onTestFinished);
      const client = await pool.connect();
      const failed = vi.fn();
      client.on('error', failed);
      await client.query('SELECT 1');
      await proxy.vanish();

      const inFlight = { state: 'unacknowledged', socket: socketOf(client) } as const;
      const failing = expectDetection(client.query('SELECT 2'), SCALED_DOWN, inFlight);
      expect(await failing).toMatchObject({ code: 'ETIMEDOUT' });
      expect(failed).toHaveBeenCalledWith(expect.objectContaining({ code: 'ETIMEDOUT' }));
      client.release(true);
    });

    test("a pool's query in flight: its error, and the pool goes on", async ({ onTestFinished }) => {
      const { pool, proxy } = await poolThroughProxy(onTestFinished);
      const client = await pool.connect();
      await client.query('SELECT 1');
      client.release();
      await proxy.vanish();

      const inFlight = { state: 'unacknowledged', socket: socketOf(client) } as const;
      const failing = expectDetection(pool.query('SELECT 2'), SCALED_DOWN, inFlight);
      expect(await failing).toMatchObject({ code: 'ETIMEDOUT' });
      await proxy.restore();
      const { rows } = await pool.query('SELECT 3 AS three');
      expect(rows).toEqual([{ three: 3 }]);
    });

    async function poolThroughProxy(
      onFinished: OnFinished,
    ): Promise<{ pool: pg.Pool; proxy: VanishingProxy }> {
      const proxy = await vanishingProxy({ to: server().port });
      onFinished(() => proxy.close());
      const pool = newPool({ ...config(kind), port: proxy.port }, onFinished);
      return { pool: keepAlivePg(pool, SCALED_DOWN), proxy };
    }
  });

  function config(kind: (typeof kinds)[number]): pg.ClientConfig {
    const { host, port, user, password, database, tlsCa } = server();
    const plain = { host, port, user, password, database, connectionTimeoutMillis: 10_000 };
    if (kind === 'plain') return plain;
    const ssl = { ca: tlsCa };
    return kind === 'TLS' ? { ...plain, ssl } : { ...plain, ssl, sslnegotiation: 'direct' };
  }
});

test('invalid options throw before a pool is touched', () => {
  const pool = new pg.Pool();
  expect(() => keepAlivePg(pool, { count: 0 })).toThrow(
    expect.objectContaining({ code: 'ERR_KEEPALIVE_INVALID_OPTION' }),
  );
  expect(pool.listenerCount('connect')).toBe(0);
});

test('pg-native, here a fake of its pool and clients, is reported once and named', () => {
  const onError = vi.fn<OnError>();
  const pool = Object.assign(new EventEmitter(), { totalCount: 0 });
  pool.on('error', () => {});
  keepAlivePg(pool, 'database', { onError });
  expect(onError).not.toHaveBeenCalled();

  for (const connection of [undefined, undefined, null]) {
    pool.emit('connect', { native: {}, connect() {}, query() {}, connection });
  }
  expect(onError).toHaveBeenCalledTimes(1);
  const error = onError.mock.calls[0]?.[0];
  expect(error).toMatchObject({ code: 'ERR_KEEPALIVE_NO_DESCRIPTOR' });
  for (const name of ['keepalives_idle', 'keepalives_interval', 'keepalives_count', 'tcp_user_timeout'])
    expect(error?.message).toContain(name);
});

test('it takes the types of pg and gives them back', () => {
  expectTypeOf(keepAlivePg<pg.Pool>).returns.toEqualTypeOf<pg.Pool>();
  expectTypeOf(keepAlivePg<pg.Client>).returns.toEqualTypeOf<pg.Client>();
  expectTypeOf(keepAlivePg<pg.PoolClient>).returns.toEqualTypeOf<pg.PoolClient>();
  // @ts-expect-error A promise of a client is neither.
  expectTypeOf(keepAlivePg<Promise<pg.PoolClient>>).toBeFunction();
});

/** What a concurrent test must take from its own context. */
type OnFinished = TestContext['onTestFinished'];

function newPool(config: pg.PoolConfig, onFinished: OnFinished = onTestFinished): pg.Pool {
  const pool = new pg.Pool(config);
  const clients: pg.PoolClient[] = [];
  pool.on('error', () => {});
  pool.on('connect', (client) => void clients.push(client));
  onFinished(() => {
    // Also where a test has failed with clients checked out, for which end() would wait.
    void pool.end();
    for (const client of clients) client.on('error', () => {}).connection.stream.destroy();
  });
  return pool;
}

function newClient(config: pg.ClientConfig): pg.Client {
  const client = new pg.Client(config);
  client.on('error', () => {});
  onTestFinished(() => client.end());
  return client;
}

function socketOf(client: pg.Client): net.Socket {
  return client.connection.stream as net.Socket;
}

function spyOnWarnings(): MockInstance {
  const spy = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
  onTestFinished(() => spy.mockRestore());
  return spy;
}

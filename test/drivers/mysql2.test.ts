import { once } from 'node:events';
import type net from 'node:net';
import mysql from 'mysql2';
import promise from 'mysql2/promise';
import { expectDetection, type VanishingProxy, vanishingProxy } from 'tcp-keepalive/testing';
import { describe, expect, expectTypeOf, onTestFinished, type TestContext, test, vi } from 'vitest';
import { keepAliveMysql2 } from '../../src/drivers/mysql2.ts';
import { keepAlive, type OnError } from '../../src/index.ts';
import { describeWithServer } from '../helpers/describe-with-server.ts';
import { kernelValues } from '../helpers/raw-options.ts';
import { mariadb } from '../helpers/start-mariadb.ts';

const DATABASE = '1:10/5/3 24500';
const SCALED_DOWN = { initialDelay: 1_000, interval: 1_000, count: 2, userTimeout: 'auto' } as const;

const kinds = ['plain', 'TLS'] as const;
const ownOptions = [
  {},
  { enableKeepAlive: false },
  { enableKeepAlive: true, keepAliveInitialDelay: 20_000 },
] satisfies mysql.ConnectionOptions[];
const rows = kinds.flatMap((kind) => ownOptions.map((own) => ({ kind, own })));

describeWithServer('keepAliveMysql2', mariadb, (server) => {
  test.each(rows)('a pool: $kind, $own', async ({ kind, own }) => {
    const { pool, connect } = callbackPool({ ...config(kind), ...own });
    const [earlier, asItComes] = [await connect(), await connect()];
    const before = kernelValues(socketOf(asItComes));
    expect(before).not.toBe(DATABASE);
    expect(kernelValues(socketOf(earlier))).toBe(before);

    const connecting = connect();
    expect(keepAliveMysql2(pool, 'database')).toBe(pool);
    const connections = [earlier, asItComes, await connecting, await connect()];

    for (const connection of connections) {
      expect(kernelValues(socketOf(connection))).toBe(DATABASE);
      await connection.promise().query('SELECT 1');
      connection.release();
    }
    await pool.promise().query('SELECT 1');
    for (const connection of connections) expect(kernelValues(socketOf(connection))).toBe(DATABASE);
  });

  test.each(rows)('a promise pool: $kind, $own', async ({ kind, own }) => {
    const pool = promisePool({ ...config(kind), ...own });
    const earlier = await pool.getConnection();
    expect(kernelValues(socketOf(earlier))).not.toBe(DATABASE);

    expect(keepAliveMysql2(pool, 'database')).toBe(pool);
    for (const connection of [earlier, await pool.getConnection()]) {
      expect(kernelValues(socketOf(connection))).toBe(DATABASE);
      await connection.query('SELECT 1');
      connection.release();
      expect(kernelValues(socketOf(connection))).toBe(DATABASE);
    }
  });

  test.each(rows)('a connection before and after it connects: $kind, $own', async ({ kind, own }) => {
    const connection = mysql.createConnection({ ...config(kind), ...own });
    onTestFinished(() => connection.destroy());
    const socket = socketOf(connection);
    expect(keepAliveMysql2(connection, 'database')).toBe(connection);
    await once(socket, 'connect');
    // Before the driver has logged in, and before the TLS upgrade.
    expect(kernelValues(socket)).toBe(DATABASE);
    await connection.promise().query('SELECT 1');
    expect(kernelValues(socketOf(connection))).toBe(DATABASE);

    const open = await promise.createConnection({ ...config(kind), ...own });
    onTestFinished(() => open.destroy());
    expect(kernelValues(socketOf(open))).not.toBe(DATABASE);
    expect(keepAliveMysql2(open, 'database')).toBe(open);
    await open.query('SELECT 1');
    expect(kernelValues(socketOf(open))).toBe(DATABASE);
  });

  test.each(kinds)(
    "a pool cluster: its nodes' open and later connections, and later nodes: %s",
    async (kind) => {
      const cluster = mysql.createPoolCluster();
      onTestFinished(() => cluster.end());
      const connect = (node: string) =>
        new Promise<mysql.PoolConnection>((resolve, reject) => {
          cluster.getConnection(node, (error, connection) => (error ? reject(error) : resolve(connection)));
        });
      cluster.add('first', config(kind));
      const earlier = await connect('first');
      expect(kernelValues(socketOf(earlier))).not.toBe(DATABASE);

      expect(keepAliveMysql2(cluster, 'database')).toBe(cluster);
      cluster.add('second', config(kind));
      for (const connection of [earlier, await connect('first'), await connect('second')]) {
        expect(kernelValues(socketOf(connection))).toBe(DATABASE);
        await connection.promise().query('SELECT 1');
        expect(kernelValues(socketOf(connection))).toBe(DATABASE);
      }
    },
  );

  test.each(kinds)('a promise pool cluster: likewise: %s', async (kind) => {
    const cluster = promise.createPoolCluster();
    onTestFinished(() => cluster.end());
    cluster.add('first', config(kind));
    const earlier = await cluster.getConnection('first');
    expect(kernelValues(socketOf(earlier))).not.toBe(DATABASE);

    expect(keepAliveMysql2(cluster, 'database')).toBe(cluster);
    cluster.add('second', config(kind));
    const later = [await cluster.getConnection('first'), await cluster.getConnection('second')];
    for (const connection of [earlier, ...later]) expect(kernelValues(socketOf(connection))).toBe(DATABASE);
  });

  test('what was set for one connection by hand stays', async () => {
    const pool = keepAliveMysql2(promisePool(config('plain')), 'database');
    const connection = await pool.getConnection();
    keepAlive(socketOf(connection), 'tunnel');
    keepAliveMysql2(pool, 'fastFailover');
    expect(kernelValues(socketOf(connection))).toBe('1:30/10/6 89500');
  });

  test('a pool over a Unix socket works as before, and its onError is told', async () => {
    const onError = vi.fn<OnError>();
    const { user, password, database, socketPath } = server();
    const pool = promisePool({ user, password, database, socketPath });
    keepAliveMysql2(pool, 'database', { onError });
    const [rows] = await pool.query('SELECT 1 AS one');
    expect(rows).toEqual([{ one: 1 }]);
    expect(onError).toHaveBeenCalledWith(expect.objectContaining({ code: 'ERR_KEEPALIVE_NOT_TCP' }));
  });

  test('a pool that does not show its open connections, here a fake that hides them: later ones get the options', async () => {
    const { pool, connect } = callbackPool(config('plain'));
    const earlier = await connect();
    const closed = new Proxy(pool, {
      get: (target, key) => (key === '_allConnections' ? undefined : Reflect.get(target, key)),
    });
    expect(keepAliveMysql2(closed, 'database')).toBe(closed);
    expect(kernelValues(socketOf(earlier))).not.toBe(DATABASE);
    expect(kernelValues(socketOf(await connect()))).toBe(DATABASE);
  });

  describe.each(kinds)('the server vanishes: %s', { concurrent: true }, (kind) => {
    test("a pool's idle connection: dropped, and the pool goes on", async ({ onTestFinished }) => {
      const { pool, proxy } = await poolThroughProxy(onTestFinished);
      const connection = await pool.getConnection();
      await connection.query('SELECT 1');
      const dropped = once(coreOf(connection), 'error');
      connection.release();
      await proxy.vanish();

      const idle = { state: 'idle', socket: socketOf(connection) } as const;
      const noticed = await expectDetection(dropped, SCALED_DOWN, idle);
      expect(noticed).toMatchObject([{ code: 'ETIMEDOUT' }]);
      await proxy.restore();
      const [rows] = await pool.query('SELECT 2 AS two');
      expect(rows).toEqual([{ two: 2 }]);
    });

    test("a pool's query in flight: its error, and the pool goes on", async ({ onTestFinished }) => {
      const { pool, proxy } = await poolThroughProxy(onTestFinished);
      const connection = await pool.getConnection();
      await connection.query('SELECT 1');
      connection.release();
      await proxy.vanish();

      const inFlight = { state: 'unacknowledged', socket: socketOf(connection) } as const;
      const failing = expectDetection(pool.query('SELECT 2'), SCALED_DOWN, inFlight);
      expect(await failing).toMatchObject({ code: 'ETIMEDOUT' });
      await proxy.restore();
      const [rows] = await pool.query('SELECT 3 AS three');
      expect(rows).toEqual([{ three: 3 }]);
    });

    test("a single connection, idle: its own 'error'", async ({ onTestFinished }) => {
      const { connection, proxy } = await connectionThroughProxy(onTestFinished);
      await connection.promise().query('SELECT 1');
      await proxy.vanish();

      const idle = { state: 'idle', socket: socketOf(connection) } as const;
      const noticed = await expectDetection(once(connection, 'error'), SCALED_DOWN, idle);
      expect(noticed).toMatchObject([{ code: 'ETIMEDOUT' }]);
    });

    test("a single connection, a query in flight: the query's error", async ({ onTestFinished }) => {
      const { connection, proxy } = await connectionThroughProxy(onTestFinished);
      await connection.promise().query('SELECT 1');
      await proxy.vanish();

      const inFlight = { state: 'unacknowledged', socket: socketOf(connection) } as const;
      const failing = expectDetection(connection.promise().query('SELECT 2'), SCALED_DOWN, inFlight);
      expect(await failing).toMatchObject({ code: 'ETIMEDOUT' });
    });

    async function poolThroughProxy(
      onFinished: OnFinished,
    ): Promise<{ pool: promise.Pool; proxy: VanishingProxy }> {
      const proxy = await vanishingProxy({ to: server().port });
      onFinished(() => proxy.close());
      const pool = promisePool({ ...config(kind), port: proxy.port }, onFinished);
      return { pool: keepAliveMysql2(pool, SCALED_DOWN), proxy };
    }

    async function connectionThroughProxy(
      onFinished: OnFinished,
    ): Promise<{ connection: mysql.Connection; proxy: VanishingProxy }> {
      const proxy = await vanishingProxy({ to: server().port });
      onFinished(() => proxy.close());
      const connection = mysql.createConnection({ ...config(kind), port: proxy.port });
      onFinished(() => connection.destroy());
      return { connection: keepAliveMysql2(connection, SCALED_DOWN), proxy };
    }
  });

  function config(kind: (typeof kinds)[number]): mysql.PoolOptions {
    const { host, port, user, password, database, tlsCa } = server();
    const plain = { host, port, user, password, database };
    return kind === 'plain' || tlsCa === undefined ? plain : { ...plain, ssl: { ca: tlsCa } };
  }
});

test('invalid options throw before a pool is touched', async () => {
  const pool = mysql.createPool({});
  onTestFinished(() => pool.end());
  expect(() => keepAliveMysql2(pool, { count: 0 })).toThrow(
    expect.objectContaining({ code: 'ERR_KEEPALIVE_INVALID_OPTION' }),
  );
  expect(pool.listenerCount('connection')).toBe(0);
});

test.each([
  { lacks: 'stream', target: { threadId: 1, format() {} } },
  { lacks: '_nodes', target: { add() {}, of() {} } },
])('an object without $lacks is reported', ({ lacks, target }) => {
  const onError = vi.fn<OnError>();
  expect(keepAliveMysql2(target, 'database', { onError })).toBe(target);
  expect(onError).toHaveBeenCalledExactlyOnceWith(
    expect.objectContaining({
      code: 'ERR_KEEPALIVE_NOT_TCP',
      message: expect.stringContaining(`its \`${lacks}\``),
    }),
  );
});

test("a cluster's pools are reached, whether its nodes are added to the promise wrapper or to its core", () => {
  const cluster = promise.createPoolCluster();
  onTestFinished(() => cluster.end());
  const { poolCluster: core } = cluster as unknown as { poolCluster: mysql.PoolCluster };
  const { _nodes: nodes } = core as unknown as { _nodes: Record<string, { pool: mysql.Pool }> };
  const reached = () => Object.values(nodes).map(({ pool }) => Object.hasOwn(pool, 'getConnection'));

  cluster.add('first', {});
  keepAliveMysql2(cluster, 'database');
  expect(reached()).toEqual([true]);
  cluster.add('second', {});
  expect(reached()).toEqual([true, true]);
  core.add('third', {});
  expect(reached()).toEqual([true, true, true]);
});

test('a cluster whose private nodes have another shape, here a fake of one, works on', () => {
  const added = vi.fn();
  const cluster = { add: added, of() {}, _nodes: { first: undefined, second: {} } };
  keepAliveMysql2(cluster, 'database').add();
  expect(added).toHaveBeenCalledOnce();
});

test('it takes the types of mysql2 and mysql2/promise and gives them back', () => {
  expectTypeOf(keepAliveMysql2<mysql.Pool>).returns.toEqualTypeOf<mysql.Pool>();
  expectTypeOf(keepAliveMysql2<mysql.PoolCluster>).returns.toEqualTypeOf<mysql.PoolCluster>();
  expectTypeOf(keepAliveMysql2<mysql.Connection>).returns.toEqualTypeOf<mysql.Connection>();
  expectTypeOf(keepAliveMysql2<mysql.PoolConnection>).returns.toEqualTypeOf<mysql.PoolConnection>();
  expectTypeOf(keepAliveMysql2<promise.Pool>).returns.toEqualTypeOf<promise.Pool>();
  expectTypeOf(keepAliveMysql2<promise.PoolCluster>).returns.toEqualTypeOf<promise.PoolCluster>();
  expectTypeOf(keepAliveMysql2<promise.Connection>).returns.toEqualTypeOf<promise.Connection>();
  expectTypeOf(keepAliveMysql2<promise.PoolConnection>).returns.toEqualTypeOf<promise.PoolConnection>();
  // @ts-expect-error A promise of a connection is none.
  expectTypeOf(keepAliveMysql2<Promise<promise.Connection>>).toBeFunction();
});

/** What a concurrent test must take from its own context. */
type OnFinished = TestContext['onTestFinished'];

function callbackPool(config: mysql.PoolOptions): {
  pool: mysql.Pool;
  connect(): Promise<mysql.PoolConnection>;
} {
  const pool = mysql.createPool(config);
  onTestFinished(() => pool.end());
  const connect = () =>
    new Promise<mysql.PoolConnection>((resolve, reject) => {
      pool.getConnection((error, connection) => (error ? reject(error) : resolve(connection)));
    });
  return { pool, connect };
}

function promisePool(config: mysql.PoolOptions, onFinished: OnFinished = onTestFinished): promise.Pool {
  const pool = promise.createPool(config);
  onFinished(() => pool.end());
  return pool;
}

/** The callback connection under a promise wrapper, or the connection itself. */
function coreOf(connection: mysql.Connection | promise.Connection): mysql.Connection {
  return 'connection' in connection
    ? (connection.connection as mysql.Connection)
    : (connection as mysql.Connection);
}

function socketOf(connection: mysql.Connection | promise.Connection): net.Socket {
  return (coreOf(connection) as unknown as { stream: net.Socket }).stream;
}

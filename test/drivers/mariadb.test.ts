import { once } from 'node:events';
import net from 'node:net';
import * as mariadb from 'mariadb';
import { keepAliveMariadb, type MariadbStream } from 'tcp-keepalive/mariadb';
import { expect, onTestFinished, test } from 'vitest';
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
import { kernelValues } from '../helpers/raw-options.ts';
import { mariadb as mariadbServer } from '../helpers/start-mariadb.ts';

describeWithServer('keepAliveMariadb', mariadbServer, (server) => {
  const config = (more: mariadb.PoolConfig = {}): mariadb.PoolConfig => {
    const { host, port, user, password, database } = server();
    return { host, port, user, password, database, connectionLimit: 1, connectTimeout: 5_000, ...more };
  };

  test.for([
    { name: 'plain', own: {}, state: 'idle' },
    { name: 'with a delay of its own', own: { keepAliveDelay: 30_000 }, state: 'unacknowledged' },
    { name: 'TLS', own: {}, state: 'idle' },
  ] as const)('a pool, $name: held, and a vanished server is noticed in time: $state', async (row) => {
    const proxy = await proxyTo(server());
    const opened = connectedSockets();
    const ssl = row.name === 'TLS' && { ca: String(server().tlsCa) };
    const pool = endedAfterTest(
      mariadb.createPool(keepAliveMariadb(config({ port: proxy.port, ssl, ...row.own }), quick)),
    );
    await pool.query('SELECT 1');
    await idleAMoment();
    await pool.query('SELECT 1');
    await idleAMoment();
    const socket = opened.to(proxy.port)[0] as net.Socket;
    expect(kernelValues(socket)).toBe(quickInKernel);

    const waiting = row.state === 'idle' ? errorOf(pool.query('SELECT SLEEP(60)')) : undefined;
    await idleAMoment();
    await proxy.vanish();
    const error = await expectInTime(row.state, socket, () => waiting ?? errorOf(pool.query('SELECT 1')));
    expect(`${error.message} ${error.cause}`).toContain('ETIMEDOUT');
  });

  test('an idle connection of its own', async () => {
    const proxy = await proxyTo(server());
    const opened = connectedSockets();
    const connection = await mariadb.createConnection(keepAliveMariadb(config({ port: proxy.port }), quick));
    await connection.query('SELECT 1');
    await idleAMoment();
    await proxy.vanish();
    const socket = only(opened.to(proxy.port));
    const [error] = await expectInTime('idle', socket, () => once(connection as never, 'error'));
    expect(`${error.message} ${error.cause}`).toContain('ETIMEDOUT');
  });

  test.for<{ how: string; own: (made: net.Socket) => MariadbStream }>([
    { how: 'hands over', own: (made) => (connected) => connected(undefined, made) },
    { how: 'returns', own: (made) => () => made },
  ])("the caller's own stream function, which $how its stream", async ({ own }) => {
    const { port } = server();
    const made = net.connect(port, '127.0.0.1');
    const frozen = Object.freeze({ ...config(), stream: own(made) });
    const connection = await mariadb.createConnection(keepAliveMariadb(frozen, quick));
    await connection.query('SELECT 1');
    expect(kernelValues(made)).toBe(quickInKernel);
    await connection.end();
  });

  test('a refused connection and an error of the own function fail as without', async () => {
    const { port } = server();
    const stream: MariadbStream = (done) => done(new Error('no route'));
    const broken = keepAliveMariadb({ ...config(), stream }, quick);
    expect(String((await errorOf(mariadb.createConnection(broken))).message)).toContain('no route');
    const refused = keepAliveMariadb(config({ host: '127.0.0.2', port: port + 1 }), quick);
    expect((await errorOf(mariadb.createConnection(refused))).code).toBe('ECONNREFUSED');
  });

  test('a Unix socket works on', async () => {
    const connection = await mariadb.createConnection(
      keepAliveMariadb(config({ socketPath: server().socketPath }), quick),
    );
    expect(await connection.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await connection.end();
  });
});

test('wrong options throw', () => {
  expect(() => keepAliveMariadb({}, { initialDelay: 10 })).toThrow(
    expect.objectContaining({ code: 'ERR_KEEPALIVE_INVALID_OPTION' }),
  );
});

function endedAfterTest(pool: mariadb.Pool): mariadb.Pool {
  onTestFinished(() => pool.end().catch(() => {}));
  return pool;
}

import { readFileSync } from 'node:fs';
import type net from 'node:net';
import mysql from 'mysql2';
import mysqlPromise from 'mysql2/promise';
import { heartbeatMysql2 } from 'tcp-keepalive/heartbeat';
import { vanishingProxy } from 'tcp-keepalive/testing';
import { describe, expect, it, onTestFinished, test, vi } from 'vitest';
import { describeWithServer } from '../helpers/describe-with-server.ts';
import { deathOf, expectInTime, rhythm } from '../helpers/heartbeats.ts';
import { PATIENCE } from '../helpers/patience.ts';
import { mariadb } from '../helpers/start-mariadb.ts';

describeWithServer('heartbeatMysql2', mariadb, (server) => {
  test.concurrent.for(['mysql2', 'mysql2/promise'] as const)(
    '%s: removes idle connections whose server has vanished',
    async (flavour, { onTestFinished }) => {
      const { user, password, database, port } = server();
      const proxy = await vanishingProxy({ to: port });
      const options = { host: '127.0.0.1', port: proxy.port, user, password, database, connectionLimit: 4 };
      const pool = flavour === 'mysql2' ? mysql.createPool(options) : mysqlPromise.createPool(options);
      const queries = 'promise' in pool ? pool.promise() : pool;
      onTestFinished(() => proxy.close());
      onTestFinished(() => queries.end());
      await Promise.all([1, 2, 3].map(() => queries.query('SELECT SLEEP(0.1)')));
      const used = await queries.getConnection();
      used.connection.on('error', () => {});
      const ping = vi.spyOn(used.connection, 'ping');
      const removed = vi.fn();
      const elapsed = await deathOf(
        onTestFinished,
        (onDead) =>
          heartbeatMysql2(pool, {
            ...rhythm,
            onDead(connection) {
              removed(connection);
              onDead();
            },
          }),
        () => proxy.vanish(),
      );
      expectInTime(elapsed);
      await vi.waitFor(() => expect(removed).toHaveBeenCalledTimes(2), { timeout: PATIENCE });
      expect(ping).not.toHaveBeenCalled();
      expect(proxy.connections.size).toBe(3);
      used.destroy();
      await proxy.restore();
      const [rows] = await queries.query('SELECT 1 AS one');
      expect(rows).toEqual([{ one: 1 }]);
    },
  );
});

describeWithServer('heartbeatMysql2 and a server that hangs', mariadb, (server) => {
  it('destroys what it removes', async () => {
    const { host, user, password, database, port } = server();
    const pool = mysqlPromise.createPool({ host, port, user, password, database });
    const sockets = new Set<net.Socket>();
    pool.pool.on('connection', (connection) => sockets.add((connection as unknown as Wire).stream));
    const answers = [1, 2].map(() => pool.query('SELECT SLEEP(0.1), @@pid_file AS file'));
    const [[rows]] = (await Promise.all(answers)) as unknown as [[[{ file: string }]]];
    const pid = Number(readFileSync(rows[0].file, 'utf8'));
    expect(pid).toBeGreaterThan(1);
    expect(sockets.size).toBe(2);

    const removed = vi.fn();
    const elapsed = await deathOf(
      onTestFinished,
      (onDead) =>
        heartbeatMysql2(pool, {
          ...rhythm,
          onDead(connection) {
            removed(connection);
            onDead();
          },
        }),
      () => process.kill(pid, 'SIGSTOP'),
    );
    onTestFinished(() => void process.kill(pid, 'SIGCONT'));
    expectInTime(elapsed);
    await vi.waitFor(() => expect(removed).toHaveBeenCalledTimes(2), { timeout: PATIENCE });
    expect([...sockets].map(({ destroyed }) => destroyed)).toEqual([true, true]);
    await pool.end();
  });
});

interface Wire {
  readonly stream: net.Socket;
}

describe('heartbeatMysql2 refuses what it cannot ping, and names the right call', () => {
  const cluster = mysql.createPoolCluster();
  const promiseCluster = mysqlPromise.createPoolCluster();
  test.each<[string, unknown]>([
    ['a pool cluster', cluster],
    ['the of() of a pool cluster', cluster.of('*')],
    ['a pool cluster of mysql2/promise', promiseCluster],
    ['a pool of another make', { getConnection() {} }],
  ])('%s', (_what, target) => {
    expect(() => heartbeatMysql2(target as never)).toThrow(
      expect.objectContaining({
        code: 'ERR_KEEPALIVE_INVALID_OPTION',
        message: expect.stringContaining('make them with createPool()'),
      }),
    );
  });
});

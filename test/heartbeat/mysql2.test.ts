import mysql from 'mysql2';
import mysqlPromise from 'mysql2/promise';
import { heartbeatMysql2 } from 'tcp-keepalive/heartbeat';
import { expect, test, vi } from 'vitest';
import { deafProxy } from '../helpers/deaf-proxy.ts';
import { describeWithServer } from '../helpers/describe-with-server.ts';
import { deathOf, expectInTime, rhythm } from '../helpers/heartbeats.ts';
import { mariadb } from '../helpers/start-mariadb.ts';

describeWithServer('heartbeatMysql2', mariadb, (server) => {
  test.concurrent.for(['mysql2', 'mysql2/promise'] as const)(
    '%s: removes idle connections whose server has vanished',
    async (flavour, { onTestFinished }) => {
      const { user, password, database, port } = server();
      const proxy = await deafProxy({ port });
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
      await vi.waitFor(() => expect(removed).toHaveBeenCalledTimes(2), { timeout: 5_000 });
      expect(ping).not.toHaveBeenCalled();
      expect(proxy.connections.size).toBe(3);
      used.destroy();
      proxy.comeBack();
      const [rows] = await queries.query('SELECT 1 AS one');
      expect(rows).toEqual([{ one: 1 }]);
    },
  );
});

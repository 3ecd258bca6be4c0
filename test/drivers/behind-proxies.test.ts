import { once } from 'node:events';
import pg from 'pg';
import { keepAlivePg } from 'tcp-keepalive/pg';
import { expectDetection } from 'tcp-keepalive/testing';
import { expect, onTestFinished, test } from 'vitest';
import { configurations } from '../../src/predict/configurations.ts';
import { describeWhereInstalled, describeWithServer } from '../helpers/describe-with-server.ts';
import { expectWithin } from '../helpers/detection.ts';
import { errorOf, proxyTo, quick } from '../helpers/driver-under-test.ts';
import { postgres } from '../helpers/start-postgres.ts';
import { haproxy, pgbouncer, startHaproxy, startPgbouncer } from '../helpers/start-proxies.ts';

// docs/guides/behind-proxies.md: the service, a proxy, and a database that vanishes behind it.

const LONG = 6_000;
const printed = (format: 'haproxy' | 'pgbouncer') => configurations[format]?.(quick) ?? '';

describeWithServer('behind a proxy', postgres, (server) => {
  /** A pool that is held, and whose queries end by themselves after {@link LONG}. */
  async function poolAt(port: number): Promise<pg.Pool> {
    const { user, password, database } = server();
    const config = { host: '127.0.0.1', port, user, password, database, max: 1, query_timeout: LONG };
    const pool = keepAlivePg(
      new pg.Pool(config).on('error', () => {}),
      quick,
    );
    onTestFinished(() => pool.end());
    await pool.query('SELECT 1');
    return pool;
  }

  describeWhereInstalled('HAProxy', haproxy, () => {
    test('cuts a connection without payload, although probes are answered', async () => {
      const port = await startHaproxy(server(), printed('haproxy'), '4s');
      // Its clock starts with the last byte, which is between the two.
      const before = performance.now();
      const pool = await poolAt(port);
      const after = performance.now();
      const [error] = await once(pool, 'error');
      expectWithin({ earliest: 4_000, latest: Infinity }, before);
      expectWithin({ earliest: 0, latest: 4_100 }, after);
      expect(error).toMatchObject({ message: 'Connection terminated unexpectedly' });
      expect(error.code).toBeUndefined();
    });

    test('hides a server that has vanished', async () => {
      const database = await proxyTo(server());
      const pool = await poolAt(await startHaproxy(database, 'defaults', '1h'));
      await database.vanish();
      expect(await errorOf(pool.query('SELECT 1'))).toMatchObject({ message: 'Query read timeout' });
    });

    test('with what is printed for it, the client hears of it', async () => {
      const database = await proxyTo(server());
      const pool = await poolAt(await startHaproxy(database, printed('haproxy'), '1h'));
      await database.vanish();
      const error = await expectDetection(pool.query('SELECT 1'), quick, { state: 'unacknowledged' });
      expect(error).toMatchObject({ message: 'Connection terminated unexpectedly' });
    });
  });

  describeWhereInstalled('PgBouncer', pgbouncer, () => {
    test('hides a server that has vanished', async () => {
      const database = await proxyTo(server());
      const pool = await poolAt(await startPgbouncer({ ...server(), port: database.port }, '[pgbouncer]'));
      await database.vanish();
      expect(await errorOf(pool.query('SELECT 1'))).toMatchObject({ message: 'Query read timeout' });
    });

    test('with what is printed for it, the client hears of it', async () => {
      const database = await proxyTo(server());
      const settings = printed('pgbouncer');
      const pool = await poolAt(await startPgbouncer({ ...server(), port: database.port }, settings));
      await database.vanish();
      const error = await expectDetection(pool.query('SELECT 1'), quick, { state: 'unacknowledged' });
      expect(error).toMatchObject({ code: '08P01', message: 'server conn crashed?' });
    });
  });
});

import type net from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { Redis } from 'ioredis';
import mysql from 'mysql2/promise';
import pg from 'pg';
import { predictDetection } from 'tcp-keepalive';
import { keepAliveIoredis } from 'tcp-keepalive/ioredis';
import { keepAliveMysql2 } from 'tcp-keepalive/mysql2';
import { keepAlivePg } from 'tcp-keepalive/pg';
import { expectDetection, vanish } from 'tcp-keepalive/testing';
import { expect, onTestFinished, test } from 'vitest';
import { describeWithServer } from '../helpers/describe-with-server.ts';
import { acknowledged, expectWithin } from '../helpers/detection.ts';
import { errorOf, proxyTo, quick } from '../helpers/driver-under-test.ts';
import { mariadb } from '../helpers/start-mariadb.ts';
import { postgres } from '../helpers/start-postgres.ts';
import { redis } from '../helpers/start-redis.ts';

// docs/guides/what-your-code-sees.md: what PostgreSQL holds of a client that has vanished, and which of the drivers' own
// timeouts end a query to a server that has.

/** What PostgreSQL sets on its end of a connection, in its words and in ours. */
const TIMERS = 'SET tcp_keepalives_idle = 1; SET tcp_keepalives_interval = 1; SET tcp_keepalives_count = 2';
const { idle } = predictDetection({ initialDelay: 1_000, interval: 1_000, count: 2 });
/** The server's clock starts with what it heard last, before the test's. */
const ALREADY = 1_000;
const CHECK = 500;
const SLEEP = 7_000;

describeWithServer('a client of PostgreSQL vanishes with a lock', postgres, (server) => {
  async function connected(settings = ''): Promise<pg.Client> {
    const { host, port, user, password, database } = server();
    const client = new pg.Client({ host, port, user, password, database });
    client.on('error', () => {});
    await client.connect();
    onTestFinished(() => client.end());
    if (settings) await client.query(settings);
    return client;
  }
  const lock = (client: pg.Client, key: number) => client.query(`SELECT pg_advisory_xact_lock(${key})`);
  /** A client in a transaction with a lock, whose machine is gone. */
  async function lostWithLock(key: number, settings?: string, then?: string): Promise<void> {
    const client = await connected(settings);
    await client.query('BEGIN');
    await lock(client, key);
    const socket = client.connection.stream as net.Socket;
    if (then !== undefined) client.query(then).catch(() => {});
    // Otherwise it sends its query again and again, and the server goes on hearing of it.
    await setImmediate();
    await acknowledged([socket]);
    onTestFinished(vanish(socket));
  }

  test('it is held as long as the server has the times of its system', async () => {
    await lostWithLock(1);
    const other = await connected("SET lock_timeout = '6s'");
    expect((await other.query('SHOW tcp_keepalives_idle')).rows).toEqual([{ tcp_keepalives_idle: '7200' }]);
    expect(await errorOf(lock(other, 1))).toMatchObject({
      code: '55P03',
      message: 'canceling statement due to lock timeout',
    });
  });

  test("it is released when the server's own keepalive has ended the connection", async () => {
    const other = await connected();
    await lostWithLock(2, TIMERS);
    const began = performance.now();
    await lock(other, 2);
    expectWithin({ earliest: ALREADY, latest: idle.latest }, began);
  });

  test('while a query runs, it is held until the query has ended', async () => {
    const other = await connected();
    await lostWithLock(3, TIMERS, `SELECT pg_sleep(${SLEEP / 1_000})`);
    const began = performance.now();
    await lock(other, 3);
    expectWithin({ earliest: idle.latest + CHECK, latest: SLEEP }, began);
  });

  test('while a query runs, client_connection_check_interval looks for the end of the connection', async () => {
    const other = await connected();
    const settings = `${TIMERS}; SET client_connection_check_interval = ${CHECK}`;
    await lostWithLock(4, settings, `SELECT pg_sleep(${SLEEP / 1_000})`);
    const began = performance.now();
    await lock(other, 4);
    expectWithin({ earliest: ALREADY, latest: idle.latest + 2 * CHECK }, began);
  });
});

describeWithServer("pg's own timeouts", postgres, (server) => {
  async function vanished(own: pg.PoolConfig) {
    const { host, user, password, database } = server();
    const proxy = await proxyTo(server());
    const config = { host, port: proxy.port, user, password, database, ...own };
    const pool = keepAlivePg(
      new pg.Pool(config).on('error', () => {}),
      quick,
    );
    onTestFinished(() => pool.end());
    await pool.query('SELECT 1');
    await proxy.vanish();
    return { pool, proxy };
  }

  test("statement_timeout is the server's, and so does not end a query to one that has vanished", async () => {
    const { pool } = await vanished({ statement_timeout: 1_000 });
    const error = await expectDetection(pool.query('SELECT 1'), quick, { state: 'unacknowledged' });
    expect(error).toMatchObject({ code: 'ETIMEDOUT' });
  });

  test('query_timeout ends it, and the pool drops the connection', async () => {
    const { pool, proxy } = await vanished({ query_timeout: 1_000 });
    const began = performance.now();
    const error = await errorOf(pool.query('SELECT 1'));
    expectWithin({ earliest: 1_000, latest: 1_100 }, began);
    expect(error).toMatchObject({ message: 'Query read timeout' });
    expect(error.code).toBeUndefined();
    await proxy.restore();
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    expect(pool.totalCount).toBe(1);
  });
});

describeWithServer("mysql2's own timeout", mariadb, (server) => {
  test('ends a query', async () => {
    const { host, user, password, database } = server();
    const proxy = await proxyTo(server());
    const pool = mysql.createPool({ host, port: proxy.port, user, password, database, connectionLimit: 1 });
    onTestFinished(() => pool.end());
    keepAliveMysql2(pool, quick);
    await pool.query('SELECT 1');
    await proxy.vanish();
    const began = performance.now();
    const error = await errorOf(pool.query({ sql: 'SELECT 1', timeout: 1_000 }));
    expectWithin({ earliest: 1_000, latest: 1_100 }, began);
    expect(error).toMatchObject({ code: 'PROTOCOL_SEQUENCE_TIMEOUT', message: 'Query inactivity timeout' });
    await proxy.restore();
    await pool.query('SELECT 1');
  });
});

describeWithServer("ioredis's own timeout", redis, (server) => {
  test('ends a command', async () => {
    const { host, password } = server();
    const proxy = await proxyTo(server());
    const client = new Redis({ host, port: proxy.port, password, commandTimeout: 1_000 });
    client.on('error', () => {});
    onTestFinished(() => client.disconnect());
    keepAliveIoredis(client, quick);
    await client.ping();
    const first = client.stream;
    await proxy.vanish();
    const began = performance.now();
    const error = await errorOf(client.ping());
    expectWithin({ earliest: 1_000, latest: 1_100 }, began);
    expect(error).toMatchObject({ message: 'Command timed out' });
    // The connection is still the one to the server that has vanished.
    expect(client.stream).toBe(first);
    expect(client.stream?.destroyed).toBe(false);
  });
});

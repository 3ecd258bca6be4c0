import { once } from 'node:events';
import http from 'node:http';
import { Redis } from 'ioredis';
import mysql from 'mysql2/promise';
import pg from 'pg';
import postgres from 'postgres';
import type { KeepAliveInput } from 'tcp-keepalive';
import { keepAliveIoredis } from 'tcp-keepalive/ioredis';
import { keepAliveMysql2 } from 'tcp-keepalive/mysql2';
import { keepAlivePg } from 'tcp-keepalive/pg';
import { keepAlivePostgres } from 'tcp-keepalive/postgres';
import { keepAliveUndici } from 'tcp-keepalive/undici';
import { Agent, request } from 'undici';
import { portOf } from './listen.ts';
import type { RunningServer, TestServer } from './server-process.ts';
import { mariadb } from './start-mariadb.ts';
import { postgres as postgresql } from './start-postgres.ts';
import { redis } from './start-redis.ts';

/** How a client of a driver is made. */
export interface ClientOptions {
  /** What the driver's module holds; left out, the driver is as it comes. */
  readonly hold?: KeepAliveInput;
  /** The driver's own timeout for connecting, in milliseconds; left out, it has its default. */
  readonly connectTimeout?: number;
  /** The most connections at a time; left out, it has its default. */
  readonly max?: number;
}

export interface FailoverClient {
  query(): Promise<unknown>;
  end(): Promise<unknown>;
}

/** A driver as it is used against a server whose name moves. */
export interface FailoverDriver {
  readonly driver: string;
  readonly server: TestServer;
  /** How long it waits by itself before it connects again, at the most, in milliseconds. */
  readonly backOff: number;
  open(server: RunningServer, options: ClientOptions): FailoverClient;
}

/** Node's own server, which needs no installation. */
const httpServer: TestServer = {
  name: 'an http server',
  missing: () => undefined,
  async start() {
    const server = http.createServer((_request, response) => response.end('answered'));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const none = { user: '', password: '', database: '', socketPath: '' };
    const stop = async () => {
      server.closeAllConnections();
      await once(server.close(), 'close');
    };
    return { host: '127.0.0.1', port: portOf(server), ...none, stop };
  },
};

export const failoverDrivers: readonly FailoverDriver[] = [
  {
    driver: 'pg',
    server: postgresql,
    backOff: 0,
    open({ host, port, user, password, database }, { hold, connectTimeout, max }) {
      const own = { ...(max && { max }), ...(connectTimeout && { connectionTimeoutMillis: connectTimeout }) };
      const pool = new pg.Pool({ host, port, user, password, database, ...own }).on('error', () => {});
      if (hold) keepAlivePg(pool, hold);
      return { query: () => pool.query('SELECT 1'), end: () => pool.end() };
    },
  },
  {
    driver: 'mysql2',
    server: mariadb,
    backOff: 0,
    open({ host, port, user, password, database }, { hold, connectTimeout, max }) {
      const own = { ...(max && { connectionLimit: max }), ...(connectTimeout && { connectTimeout }) };
      const pool = mysql.createPool({ host, port, user, password, database, ...own });
      if (hold) keepAliveMysql2(pool, hold);
      return { query: () => pool.query('SELECT 1'), end: () => pool.end() };
    },
  },
  {
    driver: 'postgres.js',
    server: postgresql,
    // Its own default: up to a hundredth of a second, three times as much after each failure.
    backOff: 1_000,
    open({ host, port, user, password, database }, { hold, connectTimeout, max }) {
      const own = { ...(max && { max }), ...(connectTimeout && { connect_timeout: connectTimeout / 1_000 }) };
      const config = { host, port, user, password, database, ...own };
      const sql = postgres(hold ? keepAlivePostgres(config, hold) : config);
      return { query: () => sql`SELECT 1`.execute(), end: () => sql.end({ timeout: 0 }) };
    },
  },
  {
    driver: 'ioredis',
    server: redis,
    // Its own default, 50 ms more after each failure, is never more.
    backOff: 2_000,
    open({ host, port, password }, { hold, connectTimeout }) {
      const client = new Redis({ host, port, password, ...(connectTimeout && { connectTimeout }) });
      client.on('error', () => {});
      if (hold) keepAliveIoredis(client, hold);
      return { query: () => client.ping(), end: async () => client.disconnect() };
    },
  },
  {
    driver: 'undici',
    server: httpServer,
    backOff: 0,
    open({ host, port }, { hold, connectTimeout, max }) {
      const own = { ...(max && { connections: max }), ...(connectTimeout && { connectTimeout }) };
      const agent = new Agent(hold ? keepAliveUndici(own, hold) : own);
      const query = async () => (await request(`http://${host}:${port}`, { dispatcher: agent })).body.text();
      return { query, end: () => agent.destroy() };
    },
  },
];

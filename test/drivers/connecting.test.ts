import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import net from 'node:net';
import { Redis } from 'ioredis';
import { Kafka } from 'kafkajs';
import mariadb from 'mariadb';
import mqtt from 'mqtt';
import mysql from 'mysql2';
import mysqlPromise from 'mysql2/promise';
import pg from 'pg';
import postgres from 'postgres';
import ssh2 from 'ssh2';
import { keepAliveStream, predictDetection } from 'tcp-keepalive';
import { keepAliveHttp } from 'tcp-keepalive/http';
import { keepAliveHttp2 } from 'tcp-keepalive/http2';
import { keepAliveIoredis } from 'tcp-keepalive/ioredis';
import { keepAliveKafkajs } from 'tcp-keepalive/kafkajs';
import { keepAliveMariadb } from 'tcp-keepalive/mariadb';
import { keepAliveMqtt } from 'tcp-keepalive/mqtt';
import { keepAliveMysql2 } from 'tcp-keepalive/mysql2';
import { keepAlivePg } from 'tcp-keepalive/pg';
import { keepAlivePostgres } from 'tcp-keepalive/postgres';
import { keepAliveSsh2 } from 'tcp-keepalive/ssh2';
import { vanish } from 'tcp-keepalive/testing';
import { keepAliveUndici } from 'tcp-keepalive/undici';
import { keepAliveWs } from 'tcp-keepalive/ws';
import { Agent, request } from 'undici';
import { describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { expectWithin } from '../helpers/detection.ts';
import { listen } from '../helpers/listen.ts';

// Every driver connects to a server that has vanished. Its own timeout, if it has one, is longer than a test waits.

const options = { initialDelay: 10_000, interval: 5_000, count: 3, userTimeout: 1_000 } as const;
const host = '127.0.0.1';
const NEVER = 100_000;

interface Row {
  readonly driver: string;
  /** Begins to connect. The promise is rejected when that fails. */
  begin(port: number): Promise<unknown>;
}

const rows: Row[] = [
  {
    driver: 'pg: a pool',
    begin: (port) => ended(keepAlivePg(new pg.Pool({ host, port }), options)).query('SELECT 1'),
  },
  {
    driver: 'pg: a pool with a stream of its own',
    begin: (port) => {
      const pool = new pg.Pool({ host, port, stream: () => new net.Socket() });
      return ended(keepAlivePg(pool, options)).query('SELECT 1');
    },
  },
  {
    driver: 'pg: a pool that is connecting',
    begin: (port) => {
      const pool = ended(new pg.Pool({ host, port }));
      const queried = pool.query('SELECT 1');
      keepAlivePg(pool, options);
      return queried;
    },
  },
  {
    driver: 'pg: a client',
    begin: (port) => keepAlivePg(new pg.Client({ host, port }), options).connect(),
  },
  {
    driver: 'pg, with keepAliveStream',
    begin: (port) => new pg.Client({ host, port, stream: keepAliveStream(options) }).connect(),
  },
  {
    driver: 'mysql2: a pool',
    begin: (port) => {
      const pool = mysqlPromise.createPool({ host, port, connectTimeout: NEVER });
      return ended(keepAliveMysql2(pool, options)).query('SELECT 1');
    },
  },
  {
    driver: 'mysql2: a pool with callbacks',
    begin: (port) => {
      const pool = keepAliveMysql2(mysql.createPool({ host, port, connectTimeout: NEVER }), options);
      onTestFinished(() => void pool.end());
      return new Promise((_resolve, reject) => pool.query('SELECT 1', reject));
    },
  },
  {
    driver: 'mysql2: a pool that is connecting',
    begin: (port) => {
      const pool = ended(mysqlPromise.createPool({ host, port, connectTimeout: NEVER }));
      const queried = pool.query('SELECT 1');
      keepAliveMysql2(pool, options);
      return queried;
    },
  },
  {
    driver: 'mysql2: a pool cluster',
    begin: (port) => {
      const cluster = ended(keepAliveMysql2(mysqlPromise.createPoolCluster({ canRetry: false }), options));
      cluster.add('first', { host, port, connectTimeout: NEVER });
      return cluster.getConnection('first');
    },
  },
  {
    driver: 'mysql2: a connection',
    begin: (port) => {
      const connection = mysql.createConnection({ host, port, connectTimeout: NEVER });
      keepAliveMysql2(connection, options);
      return failed(connection, 'error');
    },
  },
  {
    driver: 'mysql2, with keepAliveStream',
    begin: (port) =>
      mysqlPromise.createConnection({ host, port, connectTimeout: NEVER, stream: keepAliveStream(options) }),
  },
  {
    driver: 'mariadb',
    begin: (port) =>
      mariadb.createConnection(keepAliveMariadb({ host, port, connectTimeout: NEVER }, options)),
  },
  {
    driver: 'postgres',
    begin: (port) => {
      const sql = postgres(keepAlivePostgres({ host, port, connect_timeout: NEVER / 1_000 }, options));
      onTestFinished(() => sql.end({ timeout: 0 }));
      return sql`SELECT 1`.execute();
    },
  },
  {
    driver: 'postgres with TLS from the start',
    begin: (port) => {
      const config = { host, port, connect_timeout: NEVER / 1_000, ssl: true, sslnegotiation: 'direct' };
      const sql = postgres(keepAlivePostgres(config, options) as postgres.Options<Record<string, never>>);
      onTestFinished(() => sql.end({ timeout: 0 }));
      return sql`SELECT 1`.execute();
    },
  },
  {
    driver: 'kafkajs',
    begin: (port) => {
      const config = {
        brokers: [`${host}:${port}`],
        connectionTimeout: NEVER,
        retry: { retries: 0 },
        logLevel: 0,
      };
      return new Kafka(keepAliveKafkajs(config, options)).admin().connect();
    },
  },
  {
    driver: 'ioredis',
    begin: (port) => {
      const client = new Redis({
        host,
        port,
        connectTimeout: NEVER,
        lazyConnect: true,
        retryStrategy: () => null,
      });
      keepAliveIoredis(client, options);
      client.connect().catch(() => {});
      return failed(client, 'error');
    },
  },
  {
    driver: 'ioredis that is connecting',
    begin: (port) => {
      const client = new Redis({ host, port, connectTimeout: NEVER, retryStrategy: () => null });
      return failed(keepAliveIoredis(client, options), 'error');
    },
  },
  {
    driver: 'undici',
    begin: (port) => {
      const agent = new Agent(keepAliveUndici({ connectTimeout: NEVER }, options));
      onTestFinished(() => agent.destroy());
      return request(`http://${host}:${port}`, { dispatcher: agent });
    },
  },
  {
    driver: 'undici with TLS',
    begin: (port) => {
      const agent = new Agent(keepAliveUndici({ connectTimeout: NEVER }, options));
      onTestFinished(() => agent.destroy());
      return request(`https://${host}:${port}`, { dispatcher: agent });
    },
  },
  {
    driver: 'http',
    begin: (port) =>
      failed(http.get({ host, port, agent: keepAliveHttp(new http.Agent(), options) }), 'error'),
  },
  {
    driver: 'https',
    begin: (port) =>
      failed(https.get({ host, port, agent: keepAliveHttp(new https.Agent(), options) }), 'error'),
  },
  {
    driver: 'http2',
    begin: (port) => failed(keepAliveHttp2(http2.connect(`http://${host}:${port}`), options), 'error'),
  },
  {
    driver: 'mqtt',
    begin: (port) => failed(keepAliveMqtt(mqttTo(port), options), 'error'),
  },
  {
    driver: 'mqtt that connects later',
    begin: (port) => {
      const client = keepAliveMqtt(mqttTo(port, { manualConnect: true }), options);
      client.connect();
      return failed(client, 'error');
    },
  },
  {
    driver: 'ssh2',
    begin: (port) => {
      const client = keepAliveSsh2(new ssh2.Client(), options);
      client.connect({ host, port, username: 'x', readyTimeout: NEVER });
      return failed(client, 'error');
    },
  },
  {
    driver: 'ws',
    begin: (port) => failed(keepAliveWs(new WebSocket(`ws://${host}:${port}`), options), 'error'),
  },
  {
    driver: 'ws with TLS',
    begin: (port) => failed(keepAliveWs(new WebSocket(`wss://${host}:${port}`), options), 'error'),
  },
];

function ended<T extends { end(): Promise<unknown> }>(target: T): T {
  onTestFinished(async () => void (await target.end()));
  return target;
}

function mqttTo(port: number, more: mqtt.IClientOptions = {}): mqtt.MqttClient {
  const client = mqtt.connect(`mqtt://${host}:${port}`, {
    connectTimeout: NEVER,
    reconnectPeriod: 0,
    ...more,
  });
  onTestFinished(() => void client.end(true));
  return client;
}

async function failed(target: object, event: string): Promise<never> {
  const [error] = await once(target as NodeJS.EventEmitter, event);
  throw error;
}

/** A driver may wrap the error that Node gave it. */
function codesOf(error: unknown): unknown[] {
  const { code, cause } = error as { code?: unknown; cause?: unknown };
  return [code, String(error), ...(cause === undefined ? [] : codesOf(cause))];
}

describe.runIf(process.platform === 'linux')(
  'connecting to a vanished server is bounded by the user timeout',
  () => {
    test.each(rows)('$driver', async ({ begin }) => {
      const server = net.createServer();
      const port = await listen(server);
      vanish(server);
      const began = performance.now();
      const error = await begin(port).then(
        () => new Error('it connected'),
        (thrown: unknown) => thrown,
      );
      expect(codesOf(error).join(' ')).toContain('ETIMEDOUT');
      expectWithin(predictDetection(options).connecting, began);
    });
  },
);

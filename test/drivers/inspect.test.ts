import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { Aedes } from 'aedes';
import * as amqplib from 'amqplib';
import { Redis } from 'ioredis';
import { Kafka, logLevel } from 'kafkajs';
import mariadb from 'mariadb';
import mqtt from 'mqtt';
import mysql from 'mysql2/promise';
import pg from 'pg';
import postgres from 'postgres';
import ssh2 from 'ssh2';
import { inspectKeepAlive } from 'tcp-keepalive';
import { keepAliveAmqplib } from 'tcp-keepalive/amqplib';
import { keepAliveIoredis } from 'tcp-keepalive/ioredis';
import { keepAliveKafkajs } from 'tcp-keepalive/kafkajs';
import { keepAliveMariadb } from 'tcp-keepalive/mariadb';
import { keepAliveMqtt } from 'tcp-keepalive/mqtt';
import { keepAliveMysql2 } from 'tcp-keepalive/mysql2';
import { keepAlivePg } from 'tcp-keepalive/pg';
import { keepAlivePostgres } from 'tcp-keepalive/postgres';
import { keepAliveSsh2 } from 'tcp-keepalive/ssh2';
import { keepAliveUndici } from 'tcp-keepalive/undici';
import { keepAliveWs } from 'tcp-keepalive/ws';
import { Agent, request } from 'undici';
import { describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { describeWithServer } from '../helpers/describe-with-server.ts';
import { http2Session } from '../helpers/http2-session.ts';
import { startKafkaStub } from '../helpers/kafka-stub.ts';
import { listen } from '../helpers/listen.ts';
import { startRabbitmqStub } from '../helpers/rabbitmq-stub.ts';
import { mariadb as mariadbServer } from '../helpers/start-mariadb.ts';
import { postgres as postgresServer } from '../helpers/start-postgres.ts';
import { redis as redisServer } from '../helpers/start-redis.ts';

const options = { initialDelay: 9_000, interval: 4_000, count: 3, userTimeout: 20_000 };

/** Expects that a target tells each of its connections, with the module that holds it. */
function expectInspected(target: object, module: string, port: number, connections = 1): void {
  expect(inspectKeepAlive(target)).toMatchObject(
    Array.from({ length: connections }, () => ({
      kind: 'connection',
      peer: { port },
      by: { rank: 'driver', name: module },
      options,
      state: expect.stringMatching(/^(idle|unacknowledged)$/),
    })),
  );
}

describe.runIf(process.platform === 'linux')('inspectKeepAlive', () => {
  describeWithServer('of PostgreSQL', postgresServer, (server) => {
    test('a pool of pg, and a client', async () => {
      const { host, port, user, password, database } = server();
      const pool = keepAlivePg(new pg.Pool({ host, port, user, password, database }), options);
      pool.on('error', () => {});
      onTestFinished(() => pool.end());
      const clients = [await pool.connect(), await pool.connect()];
      expectInspected(pool, 'keepAlivePg', port, 2);
      expect(() => inspectKeepAlive(clients[0] as object)).toThrow('what a driver module was given');
      for (const client of clients) client.release();
    });

    test('the configuration of postgres.js', async () => {
      const { host, port, user, password, database } = server();
      const config = keepAlivePostgres({ host, port, user, password, database }, options);
      const sql = postgres(config);
      onTestFinished(() => sql.end({ timeout: 0 }));
      await sql`SELECT 1`;
      expectInspected(config, 'keepAlivePostgres', port);
    });
  });

  describeWithServer('of MariaDB', mariadbServer, (server) => {
    test('a pool of mysql2/promise', async () => {
      const { host, port, user, password, database } = server();
      const pool = keepAliveMysql2(mysql.createPool({ host, port, user, password, database }), options);
      onTestFinished(() => pool.end());
      await Promise.all([pool.query('SELECT 1'), pool.query('SELECT 1')]);
      expectInspected(pool, 'keepAliveMysql2', port, 2);
    });

    test('the configuration of mariadb', async () => {
      const { host, port, user, password, database } = server();
      const config = keepAliveMariadb({ host, port, user, password, database }, options);
      const connection = await mariadb.createConnection(config);
      onTestFinished(() => connection.end());
      expectInspected(config, 'keepAliveMariadb', port);
    });
  });

  describeWithServer('of Redis', redisServer, (server) => {
    test('a client of ioredis, also when it has reconnected', async () => {
      const { host, port, password } = server();
      const client = keepAliveIoredis(new Redis({ host, port, password, retryStrategy: () => 1 }), options);
      client.on('error', () => {});
      onTestFinished(() => client.disconnect());
      await client.ping();
      expectInspected(client, 'keepAliveIoredis', port);
      const [before] = inspectKeepAlive(client);
      client.disconnect(true);
      await once(client, 'ready');
      expectInspected(client, 'keepAliveIoredis', port);
      expect(inspectKeepAlive(client)[0]?.local).not.toEqual(before?.local);
    });
  });

  test('a connection of amqplib', async () => {
    const stub = await startRabbitmqStub();
    onTestFinished(() => stub.close());
    const connection = keepAliveAmqplib(await amqplib.connect(`amqp://127.0.0.1:${stub.port}`), options);
    onTestFinished(() => connection.close());
    expectInspected(connection, 'keepAliveAmqplib', stub.port);
  });

  test('the configuration of kafkajs', async () => {
    const stub = await startKafkaStub();
    onTestFinished(() => stub.close());
    const brokers = [`127.0.0.1:${stub.port}`];
    const config = keepAliveKafkajs({ brokers, logLevel: logLevel.NOTHING }, options);
    const admin = new Kafka(config).admin();
    onTestFinished(() => admin.disconnect());
    await admin.connect();
    expectInspected(config, 'keepAliveKafkajs', stub.port);
  });

  test('a client of mqtt', async () => {
    const broker = await Aedes.createBroker();
    const port = await listen(net.createServer(broker.handle));
    const client = keepAliveMqtt(mqtt.connect(`mqtt://127.0.0.1:${port}`), options);
    onTestFinished(async () => {
      await client.endAsync(true);
      await new Promise<void>((closed) => broker.close(closed));
    });
    await new Promise<void>((connected) => client.once('connect', () => connected()));
    expectInspected(client, 'keepAliveMqtt', port);
  });

  test('a client and a server of ws', async () => {
    const server = keepAliveWs(new WebSocketServer({ port: 0, host: '127.0.0.1' }), options);
    await once(server, 'listening');
    const { port } = server.address() as net.AddressInfo;
    const client = keepAliveWs(new WebSocket(`ws://127.0.0.1:${port}`), options);
    onTestFinished(() => {
      client.terminate();
      server.close();
    });
    await once(client, 'open');
    expectInspected(client, 'keepAliveWs', port);
    const [own] = inspectKeepAlive(client);
    expectInspected(server, 'keepAliveWs', own?.local.port ?? 0);
  });

  test('a session of http2', async () => {
    const { session, port } = await http2Session(options, onTestFinished);
    expectInspected(session, 'keepAliveHttp2', port);
    expectInspected(session.socket as object, 'keepAliveHttp2', port);
  });

  test('a client of ssh2', async () => {
    const hostKeys = [ssh2.utils.generateKeyPairSync('ed25519').private];
    const server = new ssh2.Server({ hostKeys }, (connection) => {
      connection.on('error', () => {}).on('authentication', (context) => context.accept());
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as net.AddressInfo;
    const client = keepAliveSsh2(new ssh2.Client(), options).on('error', () => {});
    onTestFinished(() => {
      client.destroy();
      server.close();
    });
    client.connect({ host: '127.0.0.1', port, username: 'someone' });
    await once(client, 'ready');
    expectInspected(client, 'keepAliveSsh2', port);
  });

  test('the options of a dispatcher of undici', async () => {
    const port = await listen(http.createServer((_request, response) => response.end('answered')));
    const config = keepAliveUndici({}, options);
    const dispatcher = new Agent(config);
    onTestFinished(() => dispatcher.destroy());
    await (await request(`http://127.0.0.1:${port}`, { dispatcher })).body.text();
    expectInspected(config, 'keepAliveUndici', port);
    expect(() => inspectKeepAlive(dispatcher)).toThrow('what a driver module was given or has returned');
  });
});

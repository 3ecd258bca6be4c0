import { EventEmitter, on, once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import { text } from 'node:stream/consumers';
import * as grpc from '@grpc/grpc-js';
import { Aedes } from 'aedes';
import amqplib from 'amqplib';
import axios from 'axios';
import { Redis } from 'ioredis';
import { Kafka, type KafkaConfig, logLevel } from 'kafkajs';
import knex from 'knex';
import mariadb from 'mariadb';
import mqtt from 'mqtt';
import mysql from 'mysql2/promise';
import pg from 'pg';
import postgres from 'postgres';
import { createClient } from 'redis';
import ssh2 from 'ssh2';
import { type KeepAliveInput, keepAliveStream } from 'tcp-keepalive';
import { keepAliveAmqplib } from 'tcp-keepalive/amqplib';
import { keepAliveBullmq } from 'tcp-keepalive/bullmq';
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
import { keepAliveTedious } from 'tcp-keepalive/tedious';
import { keepAliveUndici } from 'tcp-keepalive/undici';
import { keepAliveWs } from 'tcp-keepalive/ws';
import { Agent, fetch, request } from 'undici';
import { WebSocket, WebSocketServer } from 'ws';
import { driverPackage } from './driver-package.ts';
import { startKafkaStub } from './kafka-stub.ts';
import { portOf } from './listen.ts';
import { newMongodbStub } from './mongodb-stub.ts';
import { startRabbitmqStub } from './rabbitmq-stub.ts';
import type { RunningServer, TestServer } from './server-process.ts';
import { startSqlServerStub } from './sql-server-stub.ts';
import { mariadb as mariadbServer } from './start-mariadb.ts';
import { postgres as postgresql } from './start-postgres.ts';
import { redis as redisServer } from './start-redis.ts';

// Clients of every driver as a service has them, whose server vanishes.

export interface VanishedClient {
  /** One use of the connection: a query, a command, a request, a message. */
  use(): Promise<unknown>;
  /** What emits an `'error'`, by the name that the guide gives it. */
  readonly emitters?: Readonly<Record<string, object>>;
  end(): unknown;
}

export interface VanishedDriver {
  /** The row of the guide's table. */
  readonly driver: string;
  readonly server: TestServer;
  /** A package that may not be installed. */
  readonly needs?: Pick<TestServer, 'missing'>;
  /** No module: a rule for the port. */
  readonly byRule?: boolean;
  open(at: RunningServer, hold: KeepAliveInput): Promise<VanishedClient> | VanishedClient;
}

/** A server that needs no installation. */
function inProcess(name: string, start: () => Promise<{ port: number; close(): unknown }>): TestServer {
  return {
    name,
    missing: () => undefined,
    async start() {
      const { port, close } = await start();
      const none = { user: '', password: '', database: '', socketPath: '' };
      return { host: '127.0.0.1', port, ...none, stop: async () => void (await close()) };
    },
  };
}

/** Listens for longer than one test. */
async function listening(server: net.Server, close = () => {}): Promise<{ port: number; close(): void }> {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return { port: portOf(server), close: () => void server.close(close) };
}

const answer: http.RequestListener = (_request, response) => void response.end('here');
const httpServer = inProcess('an http server', () => listening(http.createServer(answer)));
const http2Server = inProcess('an http2 server', () => listening(http2.createServer(answer as never)));
const sqlServer = inProcess('a stub of SQL Server', () => startSqlServerStub());
const rabbitmq = inProcess('a stub of RabbitMQ', startRabbitmqStub);
const kafka = inProcess('a stub of Kafka', startKafkaStub);
const mqttBroker = inProcess('an MQTT broker', async () => {
  const broker = await Aedes.createBroker();
  return listening(net.createServer(broker.handle), () => broker.close());
});
const wsServer = inProcess('a WebSocket server', async () => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  server.on('connection', (socket) => socket.on('message', (data) => socket.send(data)));
  await once(server, 'listening');
  return { port: (server.address() as net.AddressInfo).port, close: () => server.close() };
});
const hostKey = ssh2.utils.generateKeyPairSync('ed25519').private;
const sshServer = inProcess('an ssh server', () => {
  const server = new ssh2.Server({ hostKeys: [hostKey] }, (client) => {
    client.on('error', () => {});
    client.on('authentication', (context) => context.accept());
    client.on('session', (accept) =>
      accept().on('exec', (acceptExec) => {
        const channel = acceptExec();
        channel.exit(0);
        channel.end('here');
      }),
    );
  });
  return listening(server as unknown as net.Server);
});

const asItIs = (bytes: Buffer) => bytes;
const grpcServer = inProcess('a gRPC server', async () => {
  const server = new grpc.Server();
  const echo: grpc.handleUnaryCall<Buffer, Buffer> = (call, done) => done(null, call.request);
  server.register('/echo/Echo', echo, asItIs, asItIs, 'unary');
  const credentials = grpc.ServerCredentials.createInsecure();
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error ? reject(error) : resolve(bound))),
  );
  return { port, close: () => server.forceShutdown() };
});
const mongodb = inProcess('a stub of MongoDB', async () => listening(newMongodbStub()));

export const vanishedDrivers: readonly VanishedDriver[] = [
  {
    driver: 'pg, a pool',
    server: postgresql,
    open({ host, port, user, password, database }, hold) {
      const pool = keepAlivePg(
        new pg.Pool({ host, port, user, password, database }).on('error', () => {}),
        hold,
      );
      return { use: () => pool.query('SELECT 1'), emitters: { pool }, end: () => pool.end() };
    },
  },
  {
    driver: 'pg, a checked-out client',
    server: postgresql,
    async open({ host, port, user, password, database }, hold) {
      const pool = keepAlivePg(
        new pg.Pool({ host, port, user, password, database }).on('error', () => {}),
        hold,
      );
      const client = await pool.connect();
      client.on('error', () => {});
      await client.query('BEGIN');
      return {
        use: () => client.query('SELECT 1'),
        emitters: { client, pool },
        end: () => client.release(true),
      };
    },
  },
  {
    driver: 'knex, over pg',
    server: postgresql,
    open({ host, port, user, password, database }, hold) {
      const stream = keepAliveStream(hold);
      const db = knex({ client: 'pg', connection: { host, port, user, password, database, stream } });
      return { use: async () => await db.raw('SELECT 1'), emitters: { knex: db }, end: () => db.destroy() };
    },
  },
  {
    driver: 'knex, a transaction',
    server: postgresql,
    async open({ host, port, user, password, database }, hold) {
      const stream = keepAliveStream(hold);
      const db = knex({ client: 'pg', connection: { host, port, user, password, database, stream } });
      const trx = await db.transaction();
      trx.executionPromise.catch(() => {});
      // Without a rollback, destroy() waits for the connection of the transaction.
      const end = () =>
        trx
          .rollback()
          .catch(() => {})
          .then(() => db.destroy());
      return { use: async () => await trx.raw('SELECT 1'), end };
    },
  },
  {
    driver: 'knex, a transaction in a callback',
    server: postgresql,
    async open({ host, port, user, password, database }, hold) {
      const stream = keepAliveStream(hold);
      const db = knex({ client: 'pg', connection: { host, port, user, password, database, stream } });
      const asked = new EventEmitter();
      const begun = new Promise<void>((resolve) => asked.once('begun', resolve));
      const transaction = db.transaction(async (trx) => {
        const uses = on(asked, 'use');
        asked.emit('begun');
        for await (const [answer] of uses) answer(await trx.raw('SELECT 1'));
      });
      transaction.catch(() => {});
      await begun;
      const use = () => Promise.race([transaction, new Promise((resolve) => asked.emit('use', resolve))]);
      return { use, emitters: { knex: db }, end: () => db.destroy() };
    },
  },
  {
    driver: 'postgres.js',
    server: postgresql,
    open({ host, port, user, password, database }, hold) {
      const sql = postgres(keepAlivePostgres({ host, port, user, password, database, max: 1 }, hold));
      return { use: () => sql`SELECT 1`.execute(), end: () => sql.end({ timeout: 0 }) };
    },
  },
  {
    driver: 'mysql2, a pool',
    server: mariadbServer,
    open({ host, port, user, password, database }, hold) {
      const pool = keepAliveMysql2(mysql.createPool({ host, port, user, password, database }), hold);
      return { use: () => pool.query('SELECT 1'), emitters: { pool: pool.pool }, end: () => pool.end() };
    },
  },
  {
    driver: 'mysql2, a connection',
    server: mariadbServer,
    async open({ host, port, user, password, database }, hold) {
      const connection = await mysql.createConnection({ host, port, user, password, database });
      keepAliveMysql2(connection, hold);
      return {
        use: () => connection.query('SELECT 1'),
        emitters: { connection },
        end: () => connection.destroy(),
      };
    },
  },
  {
    driver: 'mariadb, a pool',
    server: mariadbServer,
    open({ host, port, user, password, database }, hold) {
      const config = { host, port, user, password, database, connectionLimit: 1, acquireTimeout: 60_000 };
      const pool = mariadb.createPool(keepAliveMariadb(config, hold));
      return { use: () => pool.query('SELECT 1'), emitters: { pool }, end: () => pool.end() };
    },
  },
  {
    driver: 'tedious',
    server: sqlServer,
    needs: driverPackage('tedious'),
    async open({ port }, hold) {
      const { Connection, Request } = await import('tedious');
      const connection = new Connection(
        keepAliveTedious(
          {
            server: '127.0.0.1',
            authentication: { type: 'default', options: { userName: 'u', password: 'p' } },
            options: { port, encrypt: false, trustServerCertificate: true },
          },
          hold,
        ),
      );
      await new Promise<void>((resolve, reject) =>
        connection.connect((error) => (error ? reject(error) : resolve())),
      );
      const use = () =>
        new Promise<void>((resolve, reject) =>
          connection.execSqlBatch(new Request('SELECT 1', (error) => (error ? reject(error) : resolve()))),
        );
      return { use, emitters: { connection }, end: () => connection.close() };
    },
  },
  {
    driver: 'ioredis',
    server: redisServer,
    open({ host, port, password }, hold) {
      const redis = keepAliveIoredis(new Redis({ host, port, password }), hold);
      return {
        use: () => redis.ping(),
        emitters: { client: redis },
        end: () => redis.disconnect(),
      };
    },
  },
  {
    driver: 'redis (node-redis)',
    server: redisServer,
    byRule: true,
    async open({ host, port, password }) {
      const client = createClient({ socket: { host, port }, password });
      client.on('error', () => {});
      await client.connect();
      return {
        use: () => client.ping(),
        emitters: { client },
        end: () => client.destroy(),
      };
    },
  },
  {
    driver: 'bullmq, a Queue',
    server: redisServer,
    needs: driverPackage('bullmq'),
    async open({ host, port, password }, hold) {
      const { Queue } = await import('bullmq');
      const queue = keepAliveBullmq(new Queue('mail', { connection: { host, port, password } }), hold);
      queue.on('error', () => {});
      await queue.waitUntilReady();
      return { use: () => queue.count(), emitters: { queue }, end: () => queue.close() };
    },
  },
  {
    driver: 'kafkajs',
    server: kafka,
    async open({ port }, hold) {
      const config: KafkaConfig = {
        brokers: [`127.0.0.1:${port}`],
        logLevel: logLevel.NOTHING,
        retry: { retries: 0 },
        // The stub announces its own port.
        socketFactory: ({ onConnect }) => net.connect(port, '127.0.0.1', onConnect),
      };
      const admin = new Kafka(keepAliveKafkajs(config, hold)).admin();
      await admin.connect();
      return { use: () => admin.describeCluster(), end: () => admin.disconnect() };
    },
  },
  {
    driver: 'amqplib',
    server: rabbitmq,
    async open({ port }, hold) {
      const connection = keepAliveAmqplib(await amqplib.connect(`amqp://127.0.0.1:${port}`), hold);
      connection.on('error', () => {});
      return {
        use: () => connection.createChannel(),
        emitters: { connection },
        end: () => connection.close().catch(() => {}),
      };
    },
  },
  {
    driver: 'mqtt',
    server: mqttBroker,
    async open({ port }, hold) {
      const client = keepAliveMqtt(mqtt.connect(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 100 }), hold);
      client.on('error', () => {});
      await new Promise((resolve) => client.once('connect', resolve));
      return {
        use: () => client.publishAsync('topic', 'message', { qos: 1 }),
        emitters: { client },
        end: () => client.end(true),
      };
    },
  },
  {
    driver: 'ssh2',
    server: sshServer,
    async open({ port }, hold) {
      const client = keepAliveSsh2(new ssh2.Client(), hold);
      client.on('error', () => {});
      client.connect({ host: '127.0.0.1', port, username: 'someone' });
      await once(client, 'ready');
      const use = () =>
        new Promise((resolve, reject) =>
          client.exec('date', (error, channel) =>
            error ? reject(error) : channel.once('close', resolve).resume(),
          ),
        );
      return { use, emitters: { client }, end: () => client.destroy() };
    },
  },
  {
    driver: 'ws',
    server: wsServer,
    async open({ port }, hold) {
      const client = keepAliveWs(new WebSocket(`ws://127.0.0.1:${port}`), hold);
      await once(client, 'open');
      const use = () =>
        new Promise((resolve, reject) => {
          client.once('message', resolve).once('close', (code) => resolve(`closed ${code}`));
          client.send('hello', (error) => error && reject(error));
        });
      return { use, emitters: { client }, end: () => client.terminate() };
    },
  },
  {
    driver: 'http with an agent',
    server: httpServer,
    open({ port }, hold) {
      const agent = keepAliveHttp(new http.Agent({ keepAlive: true }), hold);
      const use = async () => {
        const [response] = await once(http.get({ host: '127.0.0.1', port, agent }), 'response');
        await text(response);
      };
      return { use, end: () => agent.destroy() };
    },
  },
  {
    driver: 'axios',
    server: httpServer,
    open({ port }, hold) {
      const httpAgent = keepAliveHttp(new http.Agent({ keepAlive: true }), hold);
      const client = axios.create({ httpAgent, baseURL: `http://127.0.0.1:${port}` });
      return { use: () => client.get('/'), end: () => httpAgent.destroy() };
    },
  },
  {
    driver: 'undici, request',
    server: httpServer,
    open({ port }, hold) {
      const dispatcher = new Agent(keepAliveUndici({ keepAliveTimeout: 60_000 }, hold));
      const use = async () => (await request(`http://127.0.0.1:${port}`, { dispatcher })).body.text();
      return { use, end: () => dispatcher.destroy() };
    },
  },
  {
    driver: 'fetch',
    server: httpServer,
    open({ port }, hold) {
      const dispatcher = new Agent(keepAliveUndici({ keepAliveTimeout: 60_000 }, hold));
      const use = async () => (await fetch(`http://127.0.0.1:${port}`, { dispatcher })).text();
      return { use, end: () => dispatcher.destroy() };
    },
  },
  {
    driver: 'http2, a session',
    server: http2Server,
    async open({ port }, hold) {
      const session = keepAliveHttp2(http2.connect(`http://127.0.0.1:${port}`), hold);
      session.on('error', () => {});
      await once(session, 'connect');
      return {
        use: async () => text(session.request({ ':path': '/' })),
        emitters: { session },
        end: () => session.destroy(),
      };
    },
  },
  {
    driver: '@grpc/grpc-js',
    server: grpcServer,
    byRule: true,
    async open({ port }) {
      const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
      const use = () =>
        new Promise((resolve, reject) =>
          client.makeUnaryRequest('/echo/Echo', asItIs, asItIs, Buffer.from('hello'), (error, answer) =>
            error ? reject(error) : resolve(answer),
          ),
        );
      return { use, end: () => client.close() };
    },
  },
  {
    driver: 'mongodb',
    server: mongodb,
    needs: driverPackage('mongodb'),
    byRule: true,
    async open({ port }) {
      const { MongoClient } = await import(driverPackage('mongodb').url());
      const client = new MongoClient(`mongodb://127.0.0.1:${port}`, { retryReads: false });
      return {
        use: () => client.db('test').command({ ping: 1 }),
        emitters: { client },
        end: () => client.close(),
      };
    },
  },
];

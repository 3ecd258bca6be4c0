import { on, once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as grpc from '@grpc/grpc-js';
import { Aedes } from 'aedes';
import ssh2 from 'ssh2';
import type { VanishingProxy } from 'tcp-keepalive/testing';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, test, vi } from 'vitest';
import { WebSocketServer } from 'ws';
import { predictDetection } from '../src/predict/predict.ts';
import { describeWhereInstalled, describeWithServer } from './helpers/describe-with-server.ts';
import { driverPackage } from './helpers/driver-package.ts';
import { proxyTo, quick } from './helpers/driver-under-test.ts';
import { PATIENCE } from './helpers/patience.ts';
import { programs } from './helpers/program.ts';
import { mariadb } from './helpers/start-mariadb.ts';
import { postgres } from './helpers/start-postgres.ts';
import { redis } from './helpers/start-redis.ts';
import { certificate, certificateKey } from './helpers/test-certificate.ts';

const DATABASE = '1:10/5/3 24500';
const WEBSOCKET = '1:45/15/3 89500';
const DEFAULTS = '0:7200/75/9 0';

const program = programs();

// Other lines of Node, by the paths of their binaries, besides the one that runs the tests.
const nodes = [process.execPath, ...(process.env.TEST_NODES?.split(':') ?? [])];

/**
 * What every program begins with. Its sockets are looked at from outside, through the kernel. `idle` waits
 * for a connection, for what its driver does later, and for what the event loop has not come to by then.
 */
const PRELUDE = `
  const port = Number(process.argv[2]);
  const settings = JSON.parse(process.argv[3] ?? '{}');
  const passed = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  const turned = () => new Promise((resolve) => setImmediate(resolve));
  const idle = async () => {
    while (kernelOf(port).length === 0) await passed(20);
    await passed(300);
    for (let turn = 0; turn < 3; turn++) await turned();
  };
  const show = () => console.log(JSON.stringify(kernelOf(port)));
`;

/** Runs a program under a rule for its port and gives what its sockets had, each time it showed them. */
async function shown(
  source: string,
  port: number,
  settings: object = {},
  options: { node?: string; env?: Record<string, string>; required?: boolean } = {},
): Promise<string[][]> {
  const { code, out, err } = await program().run(PRELUDE + source, {
    ...options,
    args: [String(port), JSON.stringify(settings)],
    env: { TCP_KEEPALIVE: `${port}=database; *=off`, ...options.env },
  });
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as string[]);
}

/** Waits until a client of a proxy has asked this. */
async function asked(query: string, { connections }: VanishingProxy): Promise<void> {
  const client = await vi.waitUntil(() => [...connections][0], { timeout: PATIENCE, interval: 5 });
  for await (const [chunk] of on(client, 'data')) if (String(chunk).includes(query)) return;
}

/** Every socket has the rule's options, after the connection was used and has been idle. */
function expectDatabase(values: string[][]): void {
  expect(values.length).toBeGreaterThan(0);
  for (const each of values) {
    expect(each.length).toBeGreaterThan(0);
    expect(new Set(each)).toEqual(new Set([DATABASE]));
  }
}

describe.each(nodes)('%s', (node) => {
  describeWithServer('PostgreSQL', postgres, (server) => {
    const account = () => {
      const { host, port, user, password, database } = server();
      return { host, port, user, password, database };
    };

    test.each([
      {},
      { ssl: { rejectUnauthorized: false } },
      { keepAlive: true, keepAliveInitialDelayMillis: 7_000 },
    ])('pg %o', async (options) => {
      const source = `
          import pg from 'pg';
          const pool = new pg.Pool({ ...settings, max: 2 });
          await Promise.all([pool.query('SELECT 1'), pool.query('SELECT pg_sleep(0.1)')]);
          await idle();
          show();
          await pool.query('SELECT 1');
          show();
          await pool.end();`;
      expectDatabase(await shown(source, server().port, { ...account(), ...options }, { node }));
    });

    it('pg, whose server vanishes, which is noticed in time', async () => {
      const proxy = await proxyTo(server());
      const rules = join(mkdtempSync(join(tmpdir(), 'tcp-keepalive-rules-')), 'rules.json');
      onTestFinished(() => rmSync(dirname(rules), { recursive: true }));
      writeFileSync(rules, JSON.stringify({ rules: [{ port: proxy.port, use: quick }] }));
      const source = `
        import pg from 'pg';
        const pool = new pg.Pool({ ...settings, port });
        const asked = performance.now();
        await pool.query('SELECT 1');
        const told = performance.now();
        pool.on('error', ({ code }) => {
          const now = performance.now();
          console.log(JSON.stringify([code, now - asked, now - told]));
        });`;
      const env = { TCP_KEEPALIVE: '', TCP_KEEPALIVE_CONFIG: rules };
      const values = shown(source, proxy.port, account(), { node, env });
      await asked('SELECT 1', proxy);
      await new Promise((resolve) => setTimeout(resolve, 300));
      await proxy.vanish();
      const [[code, sinceAsked, sinceTold] = []] = await values;
      const { earliest, latest } = predictDetection(quick).idle;
      expect(code).toBe('ETIMEDOUT');
      // The answer came between these two. How long that process had to wait for a processor is unknown.
      expect(Number(sinceAsked)).toBeGreaterThanOrEqual(earliest);
      expect(Number(sinceTold)).toBeLessThanOrEqual(latest + 3_000);
    });

    it('pg through a Unix socket', async () => {
      const source = `
        import pg from 'pg';
        const pool = new pg.Pool({ ...settings, host: settings.socketPath });
        const { rows } = await pool.query('SELECT 1 AS one');
        console.log(JSON.stringify([String(rows[0].one)]));
        await pool.end();`;
      const settings = { ...account(), socketPath: server().socketPath };
      const everywhere = { node, env: { TCP_KEEPALIVE: '*=database' } };
      expect(await shown(source, server().port, settings, everywhere)).toEqual([['1']]);
    });

    it('postgres.js', async () => {
      const source = `
        import postgres from 'postgres';
        const sql = postgres({ ...settings, username: settings.user, max: 2 });
        await sql\`SELECT 1\`;
        await idle();
        show();
        await sql.end();`;
      expectDatabase(await shown(source, server().port, account(), { node }));
    });

    it('knex', async () => {
      const source = `
        import knex from 'knex';
        const db = knex({ client: 'pg', connection: settings });
        await db.raw('SELECT 1');
        await idle();
        show();
        await db.destroy();`;
      expectDatabase(await shown(source, server().port, account(), { node }));
    });
  });

  describeWithServer('MariaDB', mariadb, (server) => {
    const account = () => {
      const { host, port, user, password, database } = server();
      return { host, port, user, password, database };
    };

    test.each([{}, { keepAliveInitialDelay: 7_000 }, { ssl: { rejectUnauthorized: false } }])(
      'mysql2 %o',
      async (options) => {
        const source = `
          import mysql from 'mysql2/promise';
          const pool = mysql.createPool(settings);
          await pool.query('SELECT 1');
          await idle();
          show();
          await pool.end();`;
        expectDatabase(await shown(source, server().port, { ...account(), ...options }, { node }));
      },
    );

    it('mysql2 through a Unix socket', async () => {
      const source = `
        import mysql from 'mysql2/promise';
        const { host, port: _, ...rest } = settings;
        const pool = mysql.createPool(rest);
        const [rows] = await pool.query('SELECT 1 AS one');
        console.log(JSON.stringify([String(rows[0].one)]));
        await pool.end();`;
      const settings = { ...account(), socketPath: server().socketPath };
      const everywhere = { node, env: { TCP_KEEPALIVE: '*=database' } };
      expect(await shown(source, server().port, settings, everywhere)).toEqual([['1']]);
    });

    it('mariadb', async () => {
      const source = `
        import mariadb from 'mariadb';
        const pool = mariadb.createPool({ ...settings, connectionLimit: 2 });
        await pool.query('SELECT 1');
        await idle();
        show();
        await pool.end();`;
      expectDatabase(await shown(source, server().port, account(), { node }));
    });
  });

  describeWithServer('Redis', redis, (server) => {
    it('ioredis', async () => {
      const source = `
        import { Redis } from 'ioredis';
        const redis = new Redis(settings);
        await redis.ping();
        await idle();
        show();
        redis.disconnect();`;
      const { host, port, password } = server();
      expectDatabase(await shown(source, port, { host, port, password, keepAlive: 7_000 }, { node }));
    });

    it('redis', async () => {
      const source = `
        import { createClient } from 'redis';
        const client = await createClient(settings).connect();
        await client.ping();
        await idle();
        show();
        client.destroy();`;
      const { host, port, password } = server();
      expectDatabase(await shown(source, port, { socket: { host, port }, password }, { node }));
    });
  });

  describe('servers in this process', () => {
    const closers: (() => unknown)[] = [];
    afterAll(async () => {
      for (const close of closers) await close();
    });
    const listening = async (server: net.Server): Promise<number> => {
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const sockets = new Set<net.Socket>();
      server.on('connection', (socket: net.Socket) => {
        sockets.add(socket);
        socket.on('error', () => {});
      });
      closers.push(() => {
        server.close();
        for (const socket of sockets) socket.destroy();
      });
      return (server.address() as net.AddressInfo).port;
    };
    const answer: http.RequestListener = (_request, response) => response.end('hello');

    test.each([
      ['fetch', 'for (let i = 0; i < 3; i++) { await (await fetch(url)).text(); await idle(); show(); }'],
      [
        'http.Agent',
        `import http from 'node:http';
         const agent = new http.Agent({ keepAlive: true });
         const get = () => new Promise((resolve, reject) =>
           http.get(url, { agent }, (response) => response.resume().on('end', resolve)).on('error', reject));
         for (let i = 0; i < 3; i++) { await get(); await idle(); show(); }
         agent.destroy();`,
      ],
      [
        'axios under reuse',
        `import axios from 'axios';
         import http from 'node:http';
         const httpAgent = new http.Agent({ keepAlive: true });
         const client = axios.create({ httpAgent });
         for (let i = 0; i < 3; i++) { await client.get(url); await idle(); show(); }
         httpAgent.destroy();`,
      ],
      [
        'undici',
        `import { Pool } from 'undici';
         const pool = new Pool(url, { connections: 1 });
         for (let i = 0; i < 3; i++) { await (await pool.request({ path: '/', method: 'GET' })).body.text(); await idle(); show(); }
         await pool.destroy();`,
      ],
    ])('%s', async (_name, source) => {
      const port = await listening(http.createServer({ keepAliveTimeout: 30_000 }, answer));
      expectDatabase(await shown(`const url = 'http://127.0.0.1:' + port;\n${source}`, port, {}, { node }));
    });

    it('https.Agent', async () => {
      const server = https.createServer(
        { cert: certificate, key: certificateKey, keepAliveTimeout: 30_000 },
        answer,
      );
      const source = `
        import https from 'node:https';
        const agent = new https.Agent({ keepAlive: true, ca: settings.ca });
        const get = () => new Promise((resolve, reject) =>
          https.get('https://127.0.0.1:' + port, { agent }, (response) => response.resume().on('end', resolve)).on('error', reject));
        for (let i = 0; i < 3; i++) { await get(); await idle(); show(); }
        agent.destroy();`;
      expectDatabase(await shown(source, await listening(server), { ca: certificate }, { node }));
    });

    it('http2', async () => {
      const server = http2.createServer((_request, response) => response.end('hello'));
      const source = `
        import http2 from 'node:http2';
        const session = http2.connect('http://127.0.0.1:' + port);
        await new Promise((resolve, reject) => session.request({ ':path': '/' }).resume().on('end', resolve).on('error', reject));
        await idle();
        show();
        session.destroy();`;
      expectDatabase(await shown(source, await listening(server), {}, { node }));
    });

    it('ws', async () => {
      const server = http.createServer();
      new WebSocketServer({ server }).on('connection', (socket) => socket.send('hello'));
      const source = `
        import WebSocket from 'ws';
        const socket = new WebSocket('ws://127.0.0.1:' + port);
        await new Promise((resolve, reject) => socket.on('message', resolve).on('error', reject));
        await idle();
        show();
        socket.terminate();`;
      expectDatabase(await shown(source, await listening(server), {}, { node }));
    });

    it('mqtt', async () => {
      const broker = await Aedes.createBroker();
      closers.push(() => new Promise<void>((resolve) => broker.close(() => resolve())));
      const source = `
        import mqtt from 'mqtt';
        const client = await mqtt.connectAsync('mqtt://127.0.0.1:' + port);
        await client.publishAsync('topic', 'hello');
        await idle();
        show();
        client.end(true);`;
      expectDatabase(await shown(source, await listening(net.createServer(broker.handle)), {}, { node }));
    });

    it('ssh2', async () => {
      const { private: hostKey } = ssh2.utils.generateKeyPairSync('ed25519');
      const server = new ssh2.Server({ hostKeys: [hostKey] }, (client) => {
        client.on('authentication', (context) => context.accept()).on('error', () => {});
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      closers.push(() => server.close());
      const { port } = server.address() as net.AddressInfo;
      const source = `
        import ssh2 from 'ssh2';
        const client = new ssh2.Client();
        client.connect({ host: '127.0.0.1', port, username: 'tester' });
        await new Promise((resolve, reject) => client.on('ready', resolve).on('error', reject));
        await idle();
        show();
        client.destroy();`;
      expectDatabase(await shown(source, port, {}, { node }));
    });

    it('grpc-js', async () => {
      const server = new grpc.Server();
      const port = await new Promise<number>((resolve, reject) =>
        server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
          error ? reject(error) : resolve(bound),
        ),
      );
      closers.push(() => server.forceShutdown());
      const source = `
        import * as grpc from '@grpc/grpc-js';
        const client = new grpc.Client('127.0.0.1:' + port, grpc.credentials.createInsecure());
        await new Promise((resolve, reject) => client.waitForReady(Date.now() + 5000, (error) => error ? reject(error) : resolve()));
        await idle();
        show();
        client.close();`;
      expectDatabase(await shown(source, port, {}, { node }));
    });

    const silent = 'whose server is a stub that accepts and says nothing';
    const expectHeld = async (source: string) => {
      const server = net.createServer((socket) => socket.resume());
      expectDatabase(await shown(source, await listening(server), {}, { node }));
    };

    test.each([
      [
        'kafkajs',
        `import kafkajs from 'kafkajs';
         const kafka = new kafkajs.Kafka({ brokers: ['127.0.0.1:' + port], logLevel: 0, connectionTimeout: 60000 });
         kafka.producer().connect().catch(() => {});
         await idle();
         show();
         process.exit(0);`,
      ],
      [
        'amqplib',
        `import amqp from 'amqplib';
         amqp.connect('amqp://127.0.0.1:' + port, { keepAlive: true, keepAliveDelay: 7000 }).catch(() => {});
         await idle();
         show();
         process.exit(0);`,
      ],
    ])(`%s, ${silent}`, (_name, source) => expectHeld(source));

    describeWhereInstalled('tedious', driverPackage('tedious'), () => {
      it(silent, () =>
        expectHeld(`
          import { Connection } from '${driverPackage('tedious').url()}';
          const connection = new Connection({ server: '127.0.0.1', options: { port, encrypt: false } });
          connection.connect();
          await idle();
          show();
          process.exit(0);`),
      );
    });

    it('accepted connections, in workers of a cluster too', async () => {
      const source = `
        import cluster from 'node:cluster';
        import http from 'node:http';
        import net from 'node:net';
        if (cluster.isPrimary) {
          const worker = cluster.fork();
          worker.on('message', (message) => {
            console.log(message);
            worker.kill();
          });
        } else {
          const server = http.createServer((request, response) => response.end());
          server.listen(port, '127.0.0.1', () => {
            const client = net.connect(port, '127.0.0.1');
            client.on('connect', async () => {
              await idle();
              process.send(JSON.stringify(kernelOf(port)));
            });
          });
        }`;
      const reserved = net.createServer();
      const port = await listening(reserved);
      await new Promise((resolve) => reserved.close(resolve));
      const values = await shown(
        source,
        port,
        {},
        { node, env: { TCP_KEEPALIVE: `listen:${port}=websocket` } },
      );
      expect(values.flat().sort()).toEqual([DEFAULTS, WEBSOCKET]);
    });

    it('connections of worker threads', async () => {
      const port = await listening(net.createServer());
      const source = `
        import { Worker, isMainThread } from 'node:worker_threads';
        import net from 'node:net';
        import { fileURLToPath } from 'node:url';
        if (isMainThread) {
          new Worker(fileURLToPath(import.meta.url), { argv: process.argv.slice(2) });
        } else {
          const socket = net.connect(port, '127.0.0.1');
          await new Promise((resolve) => socket.on('connect', resolve));
          await idle();
          show();
          socket.destroy();
        }`;
      expectDatabase(await shown(source, port, {}, { node }));
    });
  });
});

describe('rules', () => {
  let server: net.Server;
  let port: number;
  let directory: string;
  beforeAll(async () => {
    server = net.createServer((socket) => socket.on('error', () => {})).listen(0, '127.0.0.1');
    await once(server, 'listening');
    ({ port } = server.address() as net.AddressInfo);
    directory = mkdtempSync(join(tmpdir(), 'tcp-keepalive-rules-'));
  });
  afterAll(() => {
    server.close();
    rmSync(directory, { recursive: true });
  });

  const CONNECT = `
    import net from 'node:net';
    const socket = net.connect(Number(process.argv[2]), 'localhost');
    await new Promise((resolve, reject) => socket.on('connect', resolve).on('error', reject));
    await new Promise(setImmediate);
    console.log(kernelOf(Number(process.argv[2])).join());
    socket.destroy();`;
  const run = (env: Record<string, string>, required = false) =>
    program().run(CONNECT, { env, required, args: [String(port)] });
  const file = (text: string): string => {
    const path = join(directory, 'rules.json');
    writeFileSync(path, text);
    return path;
  };

  it('come through --require too', async () => {
    expect(await run({ TCP_KEEPALIVE: `${port}=database` }, true)).toEqual({
      code: 0,
      out: `${DATABASE}\n`,
      err: '',
    });
  });

  it('come from a file', async () => {
    const rules = [
      { side: 'client', port: port + 1, use: false },
      {
        host: ['127.0.0.0/8', '::1'],
        port: { from: port, to: port },
        use: { initialDelay: 7_000, interval: 2_000, count: 4 },
      },
    ];
    const { out, err } = await run({ TCP_KEEPALIVE_CONFIG: file(JSON.stringify({ $schema: './x', rules })) });
    expect({ out, err }).toEqual({ out: '1:7/2/4 0\n', err: '' });
  });

  it('of the variable come before those of the file', async () => {
    const path = file(JSON.stringify({ rules: [{ use: 'websocket' }] }));
    expect((await run({ TCP_KEEPALIVE: `${port}=database`, TCP_KEEPALIVE_CONFIG: path })).out).toBe(
      `${DATABASE}\n`,
    );
    expect((await run({ TCP_KEEPALIVE: '1=database', TCP_KEEPALIVE_CONFIG: path })).out).toBe(
      `${WEBSOCKET}\n`,
    );
  });

  it('may be missing: the program runs as it would', async () => {
    expect(await run({})).toEqual({ code: 0, out: `${DEFAULTS}\n`, err: '' });
  });

  test.each([
    [
      () => ({ TCP_KEEPALIVE: '5432=database; 6379=databse' }),
      'tcp-keepalive: Expected a preset (`database`, `fastFailover`, `websocket`, `bulk`, `tunnel`, `loadBalancer`), options such as `userTimeout=30s`, or `off`, ' +
        'got `databse`; did you mean `database`? (TCP_KEEPALIVE, rule 2, character 21)',
    ],
    [() => ({ TCP_KEEPALIVE_CONFIG: '/no/such/file' }), 'Cannot read the rules: ENOENT'],
    [
      () => ({
        TCP_KEEPALIVE_CONFIG: file('{ "rules": [{ "use": false }, { "port": "80", "use": false }] }'),
      }),
      "Expected a port from 1 to 65535, or a range such as '5000-5999', got `80` (string) (rule 2, `port`)",
    ],
  ])('a mistake stops the start with one line', async (env, message) => {
    const { code, out, err } = await run(env());
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toContain(message);
    expect(err.trim().split('\n')).toHaveLength(1);
  });

  it('are told of one by one with TCP_KEEPALIVE_DEBUG=1', async () => {
    const one = await run({ TCP_KEEPALIVE: `${port}=database`, TCP_KEEPALIVE_DEBUG: '1' });
    expect(one.err).toMatch(
      new RegExp(
        `^tcp-keepalive: client localhost \\(127\\.0\\.0\\.1\\):${port}, rule ${port}=database: ` +
          'enable=true initialDelay=10000 interval=5000 count=3 userTimeout=24500( maxRetransmitInterval=\\d+)? failOnUnreachable=false\\n' +
          `tcp-keepalive: rule ${port}=database was for 1 attempts, listeners or connections\\n$`,
      ),
    );
    const none = await run({ TCP_KEEPALIVE: '1=off', TCP_KEEPALIVE_DEBUG: '1' });
    expect(none.err).toMatch(/:\d+, no rule: enable=false initialDelay=7200000 [^\n]*\n/);
    expect(none.err).toMatch(/\ntcp-keepalive: rule 1=off was for nothing\n$/);
  });

  it('are installed once by --require and --import together', async () => {
    const NODE_OPTIONS = `--import ${pathToFileURL(program().register).href}`;
    const { err } = await run(
      { TCP_KEEPALIVE: `${port}=database`, TCP_KEEPALIVE_DEBUG: 'true', NODE_OPTIONS },
      true,
    );
    expect(err.match(/rule \d+=database: enable=true/g)).toHaveLength(1);
  });

  it('let a program start that freezes net.Socket.prototype before', async () => {
    const freezer = join(directory, 'freeze.cjs');
    writeFileSync(freezer, "Object.freeze(require('node:net').Socket.prototype);");
    // Node itself cannot open its standard output then.
    const source = CONNECT.replace(
      /console\.log\((.*)\);/,
      "(await import('node:fs')).writeSync(1, $1); process.exit();",
    );
    const { code, out, err } = await program().run(source, {
      env: { TCP_KEEPALIVE: `${port}=database`, NODE_OPTIONS: `--require ${freezer}` },
      required: true,
      args: [String(port)],
    });
    expect({ code, out }).toEqual({ code: 0, out: DATABASE });
    const [major, minor] = process.versions.node.split('.').map(Number) as [number, number];
    const isAnnounced = major > 24 || (major === 24 && minor >= 2) || (major === 22 && minor >= 17);
    expect(/^tcp-keepalive: .*frozen/.test(err)).toBe(!isAnnounced);
  });
});

describe('worker threads, with the rules of the environment', () => {
  const source = `
    import { Worker } from 'node:worker_threads';
    import { once } from 'node:events';
    const connect = \`
      const net = require('node:net');
      const server = net.createServer().listen(0, '127.0.0.1', () => {
        const socket = net.connect(server.address().port, '127.0.0.1', () => {
          setImmediate(() => { socket.destroy(); server.close(); });
        });
      });\`;
    const worker = new Worker(connect, { eval: true, ...JSON.parse(process.argv[2]) });
    await once(worker, 'exit');`;

  it.each([
    { where: 'an eval worker', options: {}, isReached: true },
    { where: 'an eval worker with no arguments of its own', options: { execArgv: [] }, isReached: false },
    { where: 'an eval worker without an environment', options: { env: {} }, isReached: false },
  ])('$where: $isReached', async ({ options, isReached }) => {
    const { err } = await program().run(source, {
      required: true,
      args: [JSON.stringify(options)],
      env: { TCP_KEEPALIVE: '*=database', TCP_KEEPALIVE_DEBUG: '1' },
    });
    expect(/client 127.0.0.1:\d+, rule \*=database/.test(err)).toBe(isReached);
  });
});

import { EventEmitter } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import { Cluster, Redis } from 'ioredis';
import mqtt from 'mqtt';
import mysql from 'mysql2';
import mysqlPromise from 'mysql2/promise';
import pg from 'pg';
import ssh2 from 'ssh2';
import { keepAliveServer } from 'tcp-keepalive';
import { keepAliveAmqplib } from 'tcp-keepalive/amqplib';
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
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { connection } from '../helpers/connection.ts';
import { kernelValues } from '../helpers/raw-options.ts';

/** The options of the n-th call, and what the kernel then has. */
const call = (n: number) => ({ initialDelay: n * 1_000, interval: 2_000, count: 4 });
const kernelOf = (n: number) => `1:${n}/2/4 0`;
const CALLS = 20;

type Server = (server: net.Server, options: ReturnType<typeof call>) => unknown;
type Module = (target: never, options: ReturnType<typeof call>) => unknown;

interface Row {
  readonly what: string;
  readonly module: Module;
  make(): EventEmitter;
  /** What one call listens for on the target, if anything, beside what its own library has there. */
  readonly event?: string;
  /** Makes the target tell of a later connection over this socket. */
  open(target: EventEmitter, socket: net.Socket): void;
}

/** Objects as their libraries make them, none of which connects: what they tell of a connection is emitted here. */
const emitters: Row[] = [
  {
    what: 'a pool of pg',
    module: keepAlivePg as Module,
    make: () => newPgPool(),
    event: 'connect',
    open: openOfPg,
  },
  ...[
    { what: 'a pool of mysql2', make: () => mysql.createPool({ connectionLimit: 1 }) },
    {
      what: 'the core of a pool of mysql2/promise',
      make: () => coreOf(mysqlPromise.createPool({ connectionLimit: 1 })),
    },
  ].map(({ what, make }) => ({
    what,
    module: keepAliveMysql2 as Module,
    make: make as () => EventEmitter,
    open: (pool: EventEmitter, stream: net.Socket) => {
      const { _allConnections: open, getConnection } = pool as unknown as {
        _allConnections: { push(connection: object): void };
        getConnection(connected: () => void): void;
      };
      open.push({ stream });
      getConnection(() => {});
    },
  })),
  {
    what: 'a client of ioredis',
    module: keepAliveIoredis as Module,
    make: () => new Redis({ lazyConnect: true }),
    open: (client, stream) => void Object.assign(client, { stream }),
  },
  {
    what: 'a cluster of ioredis',
    module: keepAliveIoredis as Module,
    make: () => new Cluster([{ host: '127.0.0.1', port: 1 }], { lazyConnect: true }),
    event: '+node',
    open: (cluster, stream) =>
      cluster.emit('+node', Object.assign(new Redis({ lazyConnect: true }), { stream })),
  },
  {
    what: 'a client of mqtt',
    module: keepAliveMqtt as Module,
    make: () =>
      withoutConnecting(
        mqtt.connect('mqtt://127.0.0.1:1', { manualConnect: true }) as unknown as EventEmitter,
      ),
    open: (client, stream) => connect(Object.assign(client, { stream })),
  },
  {
    what: 'a client of ssh2',
    module: keepAliveSsh2 as Module,
    make: () => withoutConnecting(new ssh2.Client()),
    open: (client, _sock) => connect(Object.assign(client, { _sock })),
  },
  {
    what: 'a server of ssh2',
    module: keepAliveSsh2 as Module,
    make: () => new ssh2.Server({ hostKeys: [] }, () => {}),
    event: 'connection',
    open: (server, _sock) => server.listeners('connection').at(-1)?.({ _sock }),
  },
  {
    what: 'a WebSocketServer of ws',
    module: keepAliveWs as Module,
    make: () => new WebSocketServer({ noServer: true }),
    event: 'headers',
    open: (server, socket) => server.emit('headers', [], { socket }),
  },
  {
    what: 'a WebSocket of ws that is connecting',
    module: keepAliveWs as Module,
    make: () => {
      const socket = new WebSocket('ws://127.0.0.1:1');
      socket.on('error', () => {});
      return socket as unknown as EventEmitter;
    },
    event: 'upgrade',
    open: (client, socket) => client.emit('upgrade', { socket }),
  },
  {
    what: 'a look-alike of a recovering connection of amqplib',
    module: keepAliveAmqplib as Module,
    make: () => Object.assign(new EventEmitter(), { waitForConnect() {}, createChannel() {} }),
    event: 'connect',
    open: (connection, stream) => connection.emit('connect', { connection: { stream } }),
  },
];

function connect(client: EventEmitter): void {
  (client as EventEmitter & { connect(): void }).connect();
}

/** A client whose own method makes no connection. */
function withoutConnecting(client: EventEmitter): EventEmitter {
  return Object.assign(client, { connect() {} });
}

/** A pool whose own `stream` is the socket that it is called with. */
function newPgPool(): pg.Pool {
  return new pg.Pool({ stream: ((socket: net.Socket) => socket) as never }).on('error', () => {});
}

function openOfPg(pool: EventEmitter, socket: net.Socket): void {
  (pool as unknown as { options: { stream(socket: net.Socket): void } }).options.stream(socket);
}

function listenersOf(target: EventEmitter): number {
  return target.eventNames().reduce((sum, name) => sum + target.listenerCount(name), 0);
}

describe.each(emitters)('$what, given twenty times', ({ module, make, event, open }) => {
  test('has the one listener of the first call, and the options of the last', async () => {
    const warn = vi.spyOn(process, 'emitWarning');
    onTestFinished(() => warn.mockRestore());
    const target = make();
    const own = listenersOf(target);
    for (let n = 1; n <= CALLS; n++) module(target as never, call(n));
    expect(listenersOf(target)).toBe(own + (event === undefined ? 0 : 1));

    const client = await connection();
    open(target, client);
    expect(kernelValues(client)).toBe(kernelOf(CALLS));
    module(target as never, call(CALLS + 1));
    open(target, client);
    expect(kernelValues(client)).toBe(kernelOf(CALLS + 1));
    expect(client.listeners('connect').filter((each) => each.name === 'applyAtConnect')).toHaveLength(1);
    expect(warn).not.toHaveBeenCalled();
  });

  test.skipIf(event === undefined)('listens again after somebody removed all listeners', () => {
    const target = make();
    module(target as never, call(1));
    target.removeAllListeners(event);
    module(target as never, call(2));
    expect(target.listenerCount(String(event))).toBe(1);
  });
});

test('two copies of the library know of one another', async () => {
  const target = newPgPool();
  keepAlivePg(target, call(1));
  vi.resetModules();
  const { keepAlivePg: another } = await import('tcp-keepalive/pg');
  expect(another).not.toBe(keepAlivePg);
  another(target, call(2));
  expect(target.listenerCount('connect')).toBe(1);

  const client = await connection();
  openOfPg(target, client);
  expect(kernelValues(client)).toBe(kernelOf(2));
});

test.each([
  { what: 'an agent', make: () => new http.Agent() },
  { what: 'an agent that calls back', make: () => new http.Agent({ keepAlive: true }) },
])(
  '$what can be given for each request: 10 000 of them leave one wrapper, and the last options',
  async ({ make }) => {
    const client = await connection();
    const agent = make() as http.Agent & { createConnection: () => net.Socket };
    agent.createConnection = () => client;
    const own = agent.createConnection;
    for (let n = 1; n <= 10_000; n++) keepAliveHttp(agent, call((n % 100) + 1));
    keepAliveHttp(agent, call(7));
    expect(agent.createConnection).not.toBe(own);
    expect(agent.createConnection()).toBe(client);
    expect(kernelValues(client)).toBe(kernelOf(7));
  },
);

test("an agent's open connections get the options of the last call", async () => {
  const client = await connection();
  const agent = Object.assign(new http.Agent(), { sockets: { 'x:1:': [client] } }) as unknown as http.Agent;
  for (let n = 1; n <= CALLS; n++) {
    keepAliveHttp(agent, call(n));
    expect(kernelValues(client)).toBe(kernelOf(n));
  }
});

test.each([
  { what: 'mysql2', createCluster: () => mysql.createPoolCluster() },
  { what: 'mysql2/promise', createCluster: () => mysqlPromise.createPoolCluster() },
])(
  "a pool cluster of $what: its add is wrapped once, and so is the getConnection of its nodes' pools",
  ({ createCluster }) => {
    const cluster = createCluster() as mysql.PoolCluster;
    onTestFinished(() => void cluster.end());
    keepAliveMysql2(cluster, call(1));
    const { add } = cluster;
    cluster.add('first', {});
    const { _nodes: nodes } = coreOf(cluster) as unknown as {
      _nodes: Record<string, { pool: { getConnection: unknown } }>;
    };
    const wrapped = nodes.first?.pool.getConnection;
    expect(Object.hasOwn(nodes.first?.pool ?? {}, 'getConnection')).toBe(true);
    for (let n = 2; n <= CALLS; n++) keepAliveMysql2(cluster, call(n));
    cluster.add('second', {});
    expect(cluster.add).toBe(add);
    expect(nodes.first?.pool.getConnection).toBe(wrapped);
    expect(Object.hasOwn(nodes.second?.pool ?? {}, 'getConnection')).toBe(true);
  },
);

/** The modules that take a configuration with a function that makes sockets, and how their drivers call it. */
const configs = [
  {
    module: keepAliveMariadb as Module,
    config: (make: () => net.Socket) => ({ stream: make }),
    connect: (config: Config) => config.stream?.(() => {}),
  },
  {
    module: keepAliveKafkajs as Module,
    config: (make: () => net.Socket) => ({ socketFactory: make }),
    connect: (config: Config) => config.socketFactory?.({}),
  },
  {
    module: keepAlivePostgres as Module,
    config: (make: () => net.Socket) => ({ socket: make }),
    connect: (config: Config) => config.socket?.({}),
  },
  {
    module: keepAliveTedious as Module,
    config: (make: () => net.Socket) => ({ options: { connector: async () => make() } }),
    connect: (config: { options?: Config }) => config.options?.connector?.(),
  },
  {
    module: keepAliveUndici as Module,
    config: (make: () => net.Socket) => ({
      connect: (_: object, done: (error: null, socket: net.Socket) => void) => done(null, make()),
    }),
    connect: (config: Config) => config.connect?.({}, () => {}),
  },
];

type Config = Record<string, ((...args: unknown[]) => unknown) | undefined>;

test.each(configs)(
  '$module.name, given what it returned 10 000 times, connects once, with the last options',
  async ({ module, config, connect }) => {
    const client = await connection();
    const make = vi.fn(() => client);
    let given: unknown = config(make);
    for (let n = 1; n <= 10_000; n++) given = module(given as never, call((n % 100) + 1));
    given = module(given as never, call(9));
    await connect(given as never);
    expect(make).toHaveBeenCalledOnce();
    expect(kernelValues(client)).toBe(kernelOf(9));
  },
);

test.each([
  { what: 'keepAliveServer', module: keepAliveServer as Server, make: () => net.createServer() },
  { what: 'keepAliveHttp', module: keepAliveHttp as Server, make: () => http.createServer() },
  { what: 'keepAliveHttp2', module: keepAliveHttp2 as Server, make: () => http2.createServer() },
])('a server given to $what twenty times has the listeners of one call', ({ module, make }) => {
  const counts = (server: net.Server) =>
    server.eventNames().map((name) => [name, server.listenerCount(name)]);
  const [once, often] = [make(), make()];
  module(once, call(1));
  for (let n = 1; n <= CALLS; n++) module(often, call(n));
  expect(counts(often)).toEqual(counts(once));
});

test.each([
  {
    what: 'a client of pg',
    module: keepAlivePg as Module,
    wrap: (stream: net.Socket) => ({ connect() {}, query() {}, connection: { stream } }),
  },
  {
    what: 'a connection of mysql2',
    module: keepAliveMysql2 as Module,
    wrap: (stream: net.Socket) => ({ threadId: 1, format() {}, stream }),
  },
  {
    what: 'a connection of amqplib',
    module: keepAliveAmqplib as Module,
    wrap: (stream: net.Socket) => ({
      createChannel() {},
      on() {},
      removeListener() {},
      connection: { stream },
    }),
  },
  {
    what: 'an open WebSocket of ws',
    module: keepAliveWs as Module,
    wrap: (_socket: net.Socket) => ({ readyState: 1, terminate() {}, on() {}, removeListener() {}, _socket }),
  },
  {
    what: 'a session of http2',
    module: keepAliveHttp2 as Module,
    wrap: (socket: net.Socket) => ({ goaway() {}, socket }),
  },
])(
  'a look-alike of $what, open, given twenty times: one listener on its socket, and the last options',
  async ({ module, wrap }) => {
    const client = await connection();
    const own = client.listenerCount('connect');
    for (let n = 1; n <= CALLS; n++) module(wrap(client) as never, call(n));
    expect(client.listenerCount('connect')).toBe(own + 1);
    expect(kernelValues(client)).toBe(kernelOf(CALLS));
  },
);

function coreOf<T extends object>(target: T): EventEmitter {
  const { pool, poolCluster } = target as { pool?: EventEmitter; poolCluster?: EventEmitter };
  return pool ?? poolCluster ?? (target as unknown as EventEmitter);
}

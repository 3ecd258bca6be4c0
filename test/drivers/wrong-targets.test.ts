import { readdirSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { Redis } from 'ioredis';
import mariadb from 'mariadb';
import mqtt from 'mqtt';
import mysql from 'mysql2';
import mysqlPromise from 'mysql2/promise';
import pg from 'pg';
import { createClient } from 'redis';
import ssh2 from 'ssh2';
import { keepAliveServer } from 'tcp-keepalive';
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
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { WebSocketServer } from 'ws';

type Driver = (target: unknown, options: unknown, behaviour?: unknown) => unknown;

/** The members of an emitter. */
const emitter = () => ({ on: vi.fn(), removeListener: vi.fn() });
const method = () => {};

/** What each takes at the least, and whether that is a configuration, which may be empty. */
const drivers = [
  {
    driver: keepAliveAmqplib as Driver,
    target: () => ({ ...emitter(), waitForConnect: method, createChannel: method }),
    isConfig: false,
  },
  {
    driver: keepAliveBullmq as Driver,
    target: () => ({ opts: {}, waitUntilReady: method, client: new Promise(() => {}) }),
    isConfig: false,
  },
  {
    driver: keepAliveHttp as Driver,
    target: () => ({ sockets: {}, freeSockets: {}, createConnection: method }),
    isConfig: false,
  },
  {
    driver: keepAliveHttp2 as Driver,
    target: () => ({ socket: undefined, goaway: method }),
    isConfig: false,
  },
  { driver: keepAliveIoredis as Driver, target: () => ({ ...emitter(), status: 'wait' }), isConfig: false },
  { driver: keepAliveKafkajs as Driver, target: () => ({}), isConfig: true },
  { driver: keepAliveMariadb as Driver, target: () => ({}), isConfig: true },
  {
    driver: keepAliveMqtt as Driver,
    target: () => ({ ...emitter(), connected: false, connect: method, publish: method }),
    isConfig: false,
  },
  {
    driver: keepAliveMysql2 as Driver,
    target: () => ({ ...emitter(), getConnection: method, format: method }),
    isConfig: false,
  },
  {
    driver: keepAlivePg as Driver,
    target: () => ({ ...emitter(), totalCount: 0, listenerCount: () => 1 }),
    isConfig: false,
  },
  { driver: keepAlivePostgres as Driver, target: () => ({}), isConfig: true },
  {
    driver: keepAliveSsh2 as Driver,
    target: () => ({ ...emitter(), connect: method, sftp: method }),
    isConfig: false,
  },
  { driver: keepAliveTedious as Driver, target: () => ({}), isConfig: true },
  { driver: keepAliveUndici as Driver, target: () => ({}), isConfig: true },
  {
    driver: keepAliveWs as Driver,
    target: () => ({ ...emitter(), readyState: 0, terminate: method }),
    isConfig: false,
  },
];

test('every driver is among these', () => {
  expect(drivers).toHaveLength(readdirSync('src/drivers').filter((file) => file !== 'kit.ts').length);
});

const { proxy: revoked, revoke } = Proxy.revocable({}, {});
revoke();
const throwing = new Proxy(
  { member: 1 },
  {
    get() {
      throw new Error('not to be read');
    },
  },
);

function invalid(message: RegExp): Error {
  return expect.objectContaining({
    name: 'TypeError',
    code: 'ERR_KEEPALIVE_INVALID_OPTION',
    message: expect.stringMatching(message),
  });
}

describe.each(drivers)('$driver.name', ({ driver, target, isConfig }) => {
  test('takes the least that is one', () => {
    expect(() => driver(target(), 'database', { onError() {} })).not.toThrow();
    expect(() => driver(target(), 'database', undefined)).not.toThrow();
  });

  const emptyToo = isConfig ? [] : [{ got: 'an empty object', value: {} }];
  test.each([
    { got: 'undefined', value: undefined },
    { got: 'null', value: null },
    { got: 'a number', value: 7 },
    { got: 'a string', value: 'mysql://db' },
    { got: 'a list', value: [] },
    { got: 'a revoked proxy', value: revoked },
    { got: 'an object whose getters throw', value: throwing },
    ...emptyToo,
  ])('refuses $got as its target, and says what it expected', ({ value }) => {
    expect(() => driver(value, 'database')).toThrow(invalid(/^Expected .+, got .+/));
  });

  test.each([
    { got: 'null', behaviour: null, message: /^Expected an object such as \{ onError \}, got/ },
    {
      got: 'a function',
      behaviour: () => {},
      message: /^Expected an object such as \{ onError \}, got a function$/,
    },
    {
      got: 'onError: null',
      behaviour: { onError: null },
      message: /^Expected `onError` to be a function, got null$/,
    },
    {
      got: "onError: 'x'",
      behaviour: { onError: 'x' },
      message: /^Expected `onError` to be a function, got `x`/,
    },
    { got: 'a revoked proxy', behaviour: revoked, message: /^Expected an object such as \{ onError \}, got/ },
  ])('refuses $got beside its options, before anything is touched', ({ behaviour, message }) => {
    const given: { on?: ReturnType<typeof vi.fn> } = target();
    const before = { ...given };
    expect(() => driver(given, 'database', behaviour)).toThrow(invalid(message));
    expect(given).toEqual(before);
    if (given.on !== undefined) expect(given.on).not.toHaveBeenCalled();
  });
});

/**
 * Targets as their libraries make them, and the call that is right for each. Those that are no dependency of
 * this repository are look-alikes: the members that were seen on bullmq 6, socket.io 4, fastify 5,
 * pg-promise 12 and @prisma/adapter-pg 7.
 */
const given: { what: string; make(): object; rightCall: RegExp; takenBy?: Driver }[] = [
  {
    what: 'a look-alike of a Queue of bullmq',
    make: () => ({
      ...emitter(),
      add: method,
      waitUntilReady: method,
      getBackend: () => ({ client: new Promise(() => {}) }),
      opts: {},
    }),
    rightCall: /keepAliveBullmq\(target, options\)/,
    takenBy: keepAliveBullmq as Driver,
  },
  {
    what: 'a look-alike of a Server of socket.io',
    make: () => ({ ...emitter(), listen: method, of: method, sockets: {} }),
    rightCall: /keepAliveServer\(httpServer, options\)/,
  },
  {
    what: 'a look-alike of an instance of fastify',
    make: () => ({ listen: method, addresses: method, query: method, server: http.createServer() }),
    rightCall: /keepAliveServer\(app\.server, options\)/,
  },
  {
    what: 'a look-alike of a database of pg-promise',
    make: () => ({ connect: method, query: method, stream: method, $pool: new pg.Pool() }),
    rightCall: /keepAlivePg\(db\.\$pool, options\)/,
  },
  {
    what: 'a look-alike of a PrismaPg of @prisma/adapter-pg',
    make: () => ({ provider: 'postgres', adapterName: '@prisma/adapter-pg', connect: method }),
    rightCall: /new PrismaPg\(keepAlivePg\(new pg\.Pool\(config\), options\)\)/,
  },
  { what: 'process', make: () => process, rightCall: /^Expected/ },
  { what: 'a net.Socket', make: () => new net.Socket(), rightCall: /keepAlive\(socket, options\)/ },
  {
    what: 'an http.Server',
    make: () => http.createServer(),
    rightCall: /keepAliveServer\(server, options\)/,
    takenBy: keepAliveHttp as Driver,
  },
  {
    what: 'an http.Agent',
    make: () => new http.Agent(),
    rightCall: /keepAliveHttp\(agent, options\)/,
    takenBy: keepAliveHttp as Driver,
  },
  {
    what: 'a client of node-redis',
    make: () => createClient(),
    rightCall: /installKeepAlive\(\[\{ port: 6379/,
  },
  {
    what: 'a Redis of ioredis',
    make: () => new Redis({ lazyConnect: true }),
    rightCall: /keepAliveIoredis\(client, options\)/,
    takenBy: keepAliveIoredis as Driver,
  },
  {
    what: 'a pool of pg',
    make: () => new pg.Pool(),
    rightCall: /keepAlivePg\(pool, options\)/,
    takenBy: keepAlivePg as Driver,
  },
  {
    what: 'a client of pg',
    make: () => new pg.Client(),
    rightCall: /^Expected/,
    takenBy: keepAlivePg as Driver,
  },
  {
    what: 'a pool of mysql2',
    make: () => mysql.createPool({}),
    rightCall: /keepAliveMysql2\(pool, options\)/,
    takenBy: keepAliveMysql2 as Driver,
  },
  {
    what: 'a pool cluster of mysql2',
    make: () => mysql.createPoolCluster(),
    rightCall: /^Expected/,
    takenBy: keepAliveMysql2 as Driver,
  },
  {
    what: 'a pool of mariadb',
    make: () => {
      const pool = mariadb.createPool({ minimumIdle: 0 });
      onTestFinished(() => pool.end());
      return pool;
    },
    rightCall: /mariadb\.createPool\(keepAliveMariadb\(config, options\)\)/,
  },
  {
    what: 'a client of mqtt',
    make: () => mqtt.connect('mqtt://127.0.0.1:1', { manualConnect: true }),
    rightCall: /^Expected/,
    takenBy: keepAliveMqtt as Driver,
  },
  {
    what: 'a client of ssh2',
    make: () => new ssh2.Client(),
    rightCall: /^Expected/,
    takenBy: keepAliveSsh2 as Driver,
  },
  {
    what: 'a server of ssh2',
    make: () => new ssh2.Server({ hostKeys: [] }, method),
    rightCall: /^Expected/,
    takenBy: keepAliveSsh2 as Driver,
  },
  {
    what: 'a WebSocketServer of ws',
    make: () => new WebSocketServer({ noServer: true }),
    rightCall: /^Expected/,
    takenBy: keepAliveWs as Driver,
  },
  { what: 'a promise', make: () => Promise.resolve(), rightCall: /await it first/ },
];

describe.each(given)('for $what', ({ make, rightCall, takenBy }) => {
  const others = drivers.map(({ driver }) => driver).filter((driver) => driver !== takenBy);
  test.each(
    // http2 takes the servers of http, which are the same to it.
    others.filter((driver) => takenBy !== keepAliveHttp || driver !== keepAliveHttp2),
  )('%o names the right call', (driver) => {
    expect(() => driver(make(), 'database')).toThrow(invalid(rightCall));
  });
  test.runIf(takenBy === undefined)('keepAliveServer names the right call', () => {
    expect(() => keepAliveServer(make() as net.Server, 'database')).toThrow(invalid(rightCall));
  });
  test.runIf(takenBy !== undefined)('its own module takes it', () => {
    const target = make();
    expect(takenBy?.(target, 'database')).toBe(target);
  });
});

test.each([
  { from: 'mysql2', createCluster: mysql.createPoolCluster },
  { from: 'mysql2/promise', createCluster: mysqlPromise.createPoolCluster },
])(
  'for what a cluster of $from chooses with of(), keepAliveMysql2 asks for the cluster',
  ({ createCluster }) => {
    const cluster = createCluster();
    onTestFinished(() => void cluster.end());
    expect(() => keepAliveMysql2(cluster.of('*') as never, 'database')).toThrow(
      invalid(/a pool cluster itself/),
    );
  },
);

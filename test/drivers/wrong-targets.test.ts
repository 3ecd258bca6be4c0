import { readdirSync } from 'node:fs';
import mysql from 'mysql2';
import mysqlPromise from 'mysql2/promise';
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

type Driver = (target: unknown, options: unknown, behaviour?: unknown) => unknown;

/** What each takes at the least, and whether that is a configuration, which may be empty. */
const drivers = [
  {
    driver: keepAliveAmqplib as Driver,
    target: () => ({ waitForConnect() {}, on: vi.fn() }),
    isConfig: false,
  },
  {
    driver: keepAliveHttp as Driver,
    target: () => ({ sockets: {}, freeSockets: {}, createConnection() {} }),
    isConfig: false,
  },
  { driver: keepAliveHttp2 as Driver, target: () => ({ socket: undefined }), isConfig: false },
  { driver: keepAliveIoredis as Driver, target: () => ({ on: vi.fn() }), isConfig: false },
  { driver: keepAliveKafkajs as Driver, target: () => ({}), isConfig: true },
  { driver: keepAliveMariadb as Driver, target: () => ({}), isConfig: true },
  { driver: keepAliveMqtt as Driver, target: () => ({ on: vi.fn() }), isConfig: false },
  {
    driver: keepAliveMysql2 as Driver,
    target: () => ({ getConnection() {}, on: vi.fn() }),
    isConfig: false,
  },
  {
    driver: keepAlivePg as Driver,
    target: () => ({ totalCount: 0, on: vi.fn(), listenerCount: () => 1 }),
    isConfig: false,
  },
  { driver: keepAlivePostgres as Driver, target: () => ({}), isConfig: true },
  { driver: keepAliveSsh2 as Driver, target: () => ({ connect() {}, on: vi.fn() }), isConfig: false },
  { driver: keepAliveTedious as Driver, target: () => ({}), isConfig: true },
  { driver: keepAliveUndici as Driver, target: () => ({}), isConfig: true },
  { driver: keepAliveWs as Driver, target: () => ({ readyState: 0, on: vi.fn() }), isConfig: false },
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

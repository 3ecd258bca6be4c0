import { execFile, spawn, spawnSync } from 'node:child_process';
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { constants, tmpdir } from 'node:os';
import path from 'node:path';
import { Duplex, PassThrough } from 'node:stream';
import { promisify } from 'node:util';
import { getKeepAlive, type KeepAliveInput, presets, setKeepAlive } from 'tcp-keepalive';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { loadLibc } from '../../native-bindings/libc.ts';
import { linux } from '../../native-bindings/platforms/linux.ts';
import { getOption } from '../../native-bindings/sockopt.ts';
import { writeSettings } from '../../src/kernel/settings.ts';
import { parseKeepAliveOptions } from '../../src/options/parse.ts';
import { connectedPair } from '../helpers/connected-pair.ts';
import { failCallsOf } from '../helpers/fail-calls.ts';
import { fdOf, kernelValues, writeRaw } from '../helpers/raw-options.ts';
import { fixtureArguments } from '../helpers/run-fixture.ts';
import { socketKinds } from '../helpers/socket-kinds.ts';
import {
  bindToLoopback,
  closeDescriptor,
  connectToLoopback,
  openSocket,
  whileClosed,
} from '../helpers/system-calls.ts';
import { tlsPair } from '../helpers/tls-pair.ts';

/** An object that says nothing, and throws at each question. */
const throwing = new Proxy(
  {},
  {
    get() {
      throw new Error('not to be read');
    },
  },
);
const { proxy: revoked, revoke } = Proxy.revocable({}, {});
revoke();

/** What a connection has that nobody has touched, where the machine's settings are Linux's own. */
const untouched = '0:7200/75/9 0';

/** A connection whose end under test the test may do anything with. */
async function connection(): Promise<net.Socket> {
  const { client, close } = await connectedPair();
  onTestFinished(close);
  // Known values, whatever the machine's sysctls say.
  for (const [option, value] of [
    ['initialDelay', 7_200],
    ['interval', 75],
    ['count', 9],
  ] as const) {
    writeRaw(client, option, value);
  }
  return client;
}

describe.runIf(process.platform === 'linux')('on Linux', () => {
  describe.each(socketKinds)('$kind', ({ open }) => {
    test.each([
      {
        options: { initialDelay: 10_000 },
        before: { initialDelay: 33, enable: 0 },
        kernel: '1:10/42/7 9000',
      },
      { options: { interval: 5_000 }, before: { interval: 33, enable: 0 }, kernel: '1:41/5/7 9000' },
      { options: { count: 3 }, before: { count: 33, enable: 0 }, kernel: '1:41/42/3 9000' },
      { options: { userTimeout: 24_500 }, before: { userTimeout: 33 }, kernel: '0:41/42/7 24500' },
      { options: { userTimeout: 0 }, before: { userTimeout: 33 }, kernel: '0:41/42/7 0' },
      { options: { enable: true }, before: { enable: 0 }, kernel: '1:41/42/7 9000' },
      { options: { enable: false }, before: { enable: 1 }, kernel: '0:41/42/7 9000' },
      {
        options: { enable: true, initialDelay: 10_000, interval: 5_000, count: 3, userTimeout: 24_500 },
        before: { enable: 0 },
        kernel: '1:10/5/3 24500',
      },
    ])('$options reads back and nothing else changes', async ({ options, before, kernel }) => {
      const { socket, carrier, close } = await open();
      onTestFinished(close);
      const start = { enable: 0, initialDelay: 41, interval: 42, count: 7, userTimeout: 9_000, ...before };
      for (const [option, value] of Object.entries(start)) writeRaw(carrier, option as 'count', value);
      expect(getKeepAlive(socket)).not.toMatchObject(options);

      const applied = setKeepAlive(socket, options);

      const turnedOn = 'userTimeout' in options || 'enable' in options ? {} : { enable: true };
      expect(applied).toEqual({ ...turnedOn, ...options });
      expect(getKeepAlive(socket)).toMatchObject(applied);
      expect(kernelValues(carrier)).toBe(kernel);
    });
  });

  test.each(Object.entries(presets))('%s by its name', async (name, preset) => {
    const client = await connection();
    expect(setKeepAlive(client, name as keyof typeof presets)).toEqual(preset);
    expect(getKeepAlive(client)).toEqual(preset);
    const { initialDelay, interval, count, userTimeout } = preset;
    expect(kernelValues(client)).toBe(
      `1:${initialDelay / 1_000}/${interval / 1_000}/${count} ${userTimeout}`,
    );
  });

  test.each([
    {
      options: { initialDelay: 1_500 },
      applied: { enable: true, initialDelay: 2_000 },
      kernel: '1:2/75/9 0',
    },
    { options: { interval: 1_000.01 }, applied: { enable: true, interval: 2_000 }, kernel: '1:7200/2/9 0' },
    { options: { userTimeout: 1_500.5 }, applied: { userTimeout: 1_501 }, kernel: '0:7200/75/9 1501' },
    {
      options: { initialDelay: 1_001, interval: 1_001, count: 2, userTimeout: 'auto' },
      applied: { enable: true, initialDelay: 2_000, interval: 2_000, count: 2, userTimeout: 5_500 },
      kernel: '1:2/2/2 5500',
    },
    {
      options: { initialDelay: 32_767_000, interval: 32_767_000, count: 127, userTimeout: 2_147_483_647 },
      applied: {
        enable: true,
        initialDelay: 32_767_000,
        interval: 32_767_000,
        count: 127,
        userTimeout: 2_147_483_647,
      },
      kernel: '1:32767/32767/127 2147483647',
    },
    {
      options: { initialDelay: 1_000, count: 1 },
      applied: { enable: true, initialDelay: 1_000, count: 1 },
      kernel: '1:1/75/1 0',
    },
    { options: { enable: false, count: 4 }, applied: { enable: false, count: 4 }, kernel: '0:7200/75/4 0' },
    { options: { enable: undefined, count: undefined }, applied: {}, kernel: untouched },
    { options: {}, applied: {}, kernel: untouched },
  ] satisfies { options: KeepAliveInput; applied: object; kernel: string }[])(
    '$options gives $applied',
    async ({ options, applied, kernel }) => {
      const client = await connection();
      const result = setKeepAlive(client, options);
      expect(result).toEqual(applied);
      expect(Object.isFrozen(result)).toBe(true);
      expect(kernelValues(client)).toBe(kernel);
    },
  );

  test.each([
    { behaviour: { stict: true }, message: 'Expected `strict`, got `stict`; did you mean `strict`?' },
    { behaviour: { strict: 'yes' }, message: 'Expected `strict` to be true or false, got `yes` (string)' },
    { behaviour: null, message: 'Expected an object such as { strict: true }, got ' },
  ])('$behaviour is refused, and nothing set', async ({ behaviour, message }) => {
    const client = await connection();
    expect(() => setKeepAlive(client, 'database', behaviour as never)).toThrow(
      expect.objectContaining({
        code: 'ERR_KEEPALIVE_INVALID_OPTION',
        message: expect.stringContaining(message),
      }),
    );
    expect(kernelValues(client)).toBe(untouched);
  });

  test('strict changes nothing where nothing is lacking', async () => {
    const client = await connection();
    expect(setKeepAlive(client, 'database', { strict: true })).toEqual(presets.database);
    expect(kernelValues(client)).toBe('1:10/5/3 24500');
  });

  test('five options are five system calls, SO_KEEPALIVE the last', async () => {
    const client = await connection();
    const set = vi.spyOn(loadLibc(), 'setsockopt');
    const get = vi.spyOn(loadLibc(), 'getsockopt');
    onTestFinished(() => {
      set.mockRestore();
      get.mockRestore();
    });
    setKeepAlive(client, 'database');
    const fd = fdOf(client);
    expect(set.mock.calls).toEqual([
      [fd, 6, 18],
      [fd, 6, 5],
      [fd, 6, 6],
      [fd, 6, 4],
      [fd, 1, 9],
    ]);
    expect(get).not.toHaveBeenCalled();
  });

  test('options are read again at each call', async () => {
    const client = await connection();
    const options = { count: 3 };
    setKeepAlive(client, options);
    options.count = 4;
    setKeepAlive(client, options);
    expect(kernelValues(client)).toBe('1:7200/75/4 0');
  });

  describe('what was read is accepted again', () => {
    test.each(['7200/75/9 0', '10/5/3 24500', '32767/32767/127 2147483647'])('%s', async (values) => {
      const [first, second] = [await connection(), await connection()];
      const [idle, intvl, cnt, ut] = values.split(/[/ ]/).map(Number);
      const written = { initialDelay: idle, interval: intvl, count: cnt, userTimeout: ut, enable: 1 };
      for (const [option, value] of Object.entries(written)) writeRaw(first, option as 'count', value ?? 0);

      const read = getKeepAlive(first);

      expect(Object.isFrozen(read)).toBe(true);
      expect(setKeepAlive(second, read)).toEqual(read);
      expect(kernelValues(second)).toBe(`1:${values}`);
    });

    test('even a user timeout under a second, which another program set', async () => {
      const [first, second] = [await connection(), await connection()];
      writeRaw(first, 'userTimeout', 250);
      const read = getKeepAlive(first);
      expect(read).toMatchObject({ enable: false, userTimeout: 250 });
      expect(setKeepAlive(second, read)).toEqual(read);
      expect(kernelValues(second)).toBe('0:7200/75/9 250');
      // A copy is a person's again.
      expect(() => setKeepAlive(second, { ...read })).toThrow(
        expect.objectContaining({ code: 'ERR_KEEPALIVE_INVALID_OPTION' }),
      );
    });
  });

  describe('what cannot be set', () => {
    const calls: { call: string; on: (socket: net.Socket) => unknown }[] = [
      { call: 'a preset', on: (socket) => setKeepAlive(socket, 'database') },
      { call: 'enable alone', on: (socket) => setKeepAlive(socket, { enable: true }) },
      { call: 'a user timeout alone', on: (socket) => setKeepAlive(socket, { userTimeout: 5_000 }) },
      { call: 'getKeepAlive', on: (socket) => getKeepAlive(socket) },
    ];

    describe.each(calls)('$call', ({ on }) => {
      test('a socket that never connected', () => {
        expect(() => on(new net.Socket())).toThrow(
          expect.objectContaining({
            code: 'ERR_KEEPALIVE_NOT_CONNECTED',
            message:
              "Expected a connected socket, got one that is not; use keepAlive(socket, options), which waits for 'connect'",
          }),
        );
      });

      test('a socket still connecting, before and after it has a descriptor', async () => {
        const listener = net.createServer().listen(0, '127.0.0.1');
        await once(listener, 'listening');
        const client = net.connect((listener.address() as net.AddressInfo).port, '127.0.0.1');
        onTestFinished(() => {
          client.destroy();
          listener.close();
        });
        const failure = expect.objectContaining({
          code: 'ERR_KEEPALIVE_NOT_CONNECTED',
          message:
            "Expected a connected socket, got one that is still connecting; use keepAlive(socket, options), which waits for 'connect'",
        });
        expect(() => on(client)).toThrow(failure);
        await new Promise<void>((resolve) => process.nextTick(resolve));
        expect(fdOf(client)).toBeGreaterThan(0);
        expect(client.connecting).toBe(true);
        const before = kernelValues(client);
        expect(() => on(client)).toThrow(failure);
        expect(kernelValues(client)).toBe(before);
      });

      test('a destroyed socket', async () => {
        const client = await connection();
        client.destroy();
        expect(() => on(client)).toThrow(
          expect.objectContaining({
            code: 'ERR_KEEPALIVE_DESTROYED',
            message:
              'Expected a connected socket, got one that is destroyed; set the options on its replacement',
          }),
        );
      });

      test('TLS over a socket that is destroyed, before it hears of that', async () => {
        const sockets: net.Socket[] = [];
        const { client, close } = await tlsPair('127.0.0.1', (port) => {
          const raw = net.connect(port, '127.0.0.1');
          sockets.push(raw);
          return raw;
        });
        onTestFinished(close);
        // What Node keeps then.
        expect(client.remoteAddress).toBe('127.0.0.1');
        for (const raw of sockets) raw.destroy();
        expect(client.destroyed).toBe(false);
        expect(() => on(client)).toThrow(expect.objectContaining({ code: 'ERR_KEEPALIVE_DESTROYED' }));
      });

      test("a destroyed http2 session's socket", async () => {
        const session = socketKinds.find(({ kind }) => kind === "an http2 session's socket");
        const { socket, close } = (await session?.open()) ?? expect.fail('no http2');
        await close();
        expect(() => on(socket)).toThrow(expect.objectContaining({ code: 'ERR_KEEPALIVE_DESTROYED' }));
      });

      test('a Unix socket, which is left as it is', async () => {
        const client = await unixSocket();
        const before = rawEnable(client);
        expect(() => on(client)).toThrow(
          expect.objectContaining({
            code: 'ERR_KEEPALIVE_NOT_TCP',
            message: expect.stringMatching(
              /^Expected a TCP socket, got another kind, such as a Unix socket \([gs]etsockopt TCP_[A-Z_]+ failed: E(OP)?NOTSUPP?\); only TCP peers can vanish unnoticed, so leave it as it is$/,
            ),
            cause: expect.objectContaining({ errno: -constants.errno.EOPNOTSUPP }),
            applied: [],
          }),
        );
        expect(before).toBe(0);
        expect(rawEnable(client)).toBe(0);
      });

      test('TLS over a generic stream', async () => {
        const { client, close } = await tlsPair('127.0.0.1', (port) =>
          streamOver(net.connect(port, '127.0.0.1')),
        );
        onTestFinished(close);
        expect(() => on(client)).toThrow(
          expect.objectContaining({
            code: 'ERR_KEEPALIVE_NO_DESCRIPTOR',
            message:
              'Expected a socket with a descriptor, got one that runs over another stream (TLS over a Duplex); set the options on the TCP socket underneath',
          }),
        );
      });

      test.each([
        { value: {}, got: 'another object' },
        { value: new PassThrough(), got: 'an object of class PassThrough' },
        { value: Promise.resolve(), got: 'an object of class Promise; await it first' },
        { value: null, got: 'null' },
        { value: undefined, got: 'undefined' },
        { value: 7, got: '`7` (number)' },
        { value: 'socket', got: '`socket` (string)' },
        { value: throwing, got: 'a value that cannot be read as one' },
        { value: revoked, got: 'a value that cannot be read as one' },
      ])('what is no socket: $got', ({ value, got }) => {
        expect(() => on(value as net.Socket)).toThrow(
          expect.objectContaining({
            code: 'ERR_KEEPALIVE_NOT_TCP',
            message: `Expected a net.Socket or tls.TLSSocket, got ${got}`,
          }),
        );
      });

      test("a descriptor that was closed behind Node's back", async () => {
        const client = await connection();
        whileClosed(fdOf(client), () => {
          expect(() => on(client)).toThrow(
            expect.objectContaining({
              code: 'EBADF',
              errno: -constants.errno.EBADF,
              syscall: expect.stringMatching(/^[gs]etsockopt$/),
              option: expect.stringMatching(/^TCP_/),
              message: expect.stringMatching(/^[gs]etsockopt TCP_[A-Z_]+ failed: EBADF(; not set: `.+`)?$/),
              applied: [],
            }),
          );
        });
        expect(kernelValues(client)).toBe(untouched);
      });
    });
  });

  test('options are checked before the socket is looked at', () => {
    expect(() => setKeepAlive(throwing as net.Socket, { count: 0 })).toThrow(
      expect.objectContaining({ code: 'ERR_KEEPALIVE_INVALID_OPTION' }),
    );
  });

  test("a child's standard input, which is a Unix socket too", () => {
    const child = spawn(process.execPath, ['--eval', 'process.stdin.resume()'], {
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    onTestFinished(() => void child.kill());
    expect(() => setKeepAlive(child.stdin as net.Socket, 'database')).toThrow(
      expect.objectContaining({ code: 'ERR_KEEPALIVE_NOT_TCP' }),
    );
  });

  test.each([
    { failing: 'userTimeout', applied: [], kernel: '0:7200/75/9 0' },
    { failing: 'interval', applied: ['userTimeout'], kernel: '0:7200/75/9 24500' },
    { failing: 'count', applied: ['userTimeout', 'interval'], kernel: '0:7200/5/9 24500' },
    { failing: 'initialDelay', applied: ['userTimeout', 'interval', 'count'], kernel: '0:7200/5/3 24500' },
    {
      failing: 'enable',
      applied: ['userTimeout', 'interval', 'count', 'initialDelay'],
      kernel: '0:10/5/3 24500',
    },
  ] as const)(
    'a call that fails at $failing names what was applied: $applied',
    async ({ failing, applied, kernel }) => {
      const client = await connection();
      const order = ['userTimeout', 'interval', 'count', 'initialDelay', 'enable'];
      const left = order.slice(applied.length);
      const { name, constant } = linux[failing] ?? expect.fail(`no ${failing} on Linux`);
      failCallsOf(name, constants.errno.EPERM);
      expect(() => setKeepAlive(client, 'database')).toThrow(
        expect.objectContaining({
          code: 'EPERM',
          errno: -constants.errno.EPERM,
          syscall: 'setsockopt',
          option: constant,
          message: `setsockopt ${constant} failed: EPERM; not set: ${left.map((name) => `\`${name}\``).join(', ')}`,
          applied,
        }),
      );
      expect(kernelValues(client)).toBe(kernel);
    },
  );

  describe('a UDP socket, which has no user timeout either, is no TCP one', () => {
    test.each<{ options: KeepAliveInput; strict: boolean }>([
      { options: 'database', strict: false },
      { options: { userTimeout: 5_000 }, strict: false },
      { options: { userTimeout: 5_000 }, strict: true },
      { options: { enable: true }, strict: false },
      { options: {}, strict: false },
    ])('$options, strict: $strict', async ({ options, strict }) => {
      const udp = createSocket('udp4').bind(0, '127.0.0.1');
      onTestFinished(() => void udp.close());
      await once(udp, 'listening');
      const fd = descriptorOf(udp);
      expect(() => setKeepAlive(udp as unknown as net.Socket, options, { strict })).toThrow(
        expect.objectContaining({ code: 'ERR_KEEPALIVE_NOT_TCP' }),
      );
      expect(() => writeSettings(fd, parseKeepAliveOptions(options), strict)).toThrow(
        expect.objectContaining({ code: 'ERR_KEEPALIVE_NOT_TCP', applied: [] }),
      );
    });
  });

  test('no options at all are none for a Unix socket either', async () => {
    const client = await unixSocket();
    expect(() => setKeepAlive(client, {})).toThrow(
      expect.objectContaining({ code: 'ERR_KEEPALIVE_NOT_TCP', applied: [] }),
    );
  });

  test('a listening server, which has a function of its own', async () => {
    const server = net.createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    const before = kernelValues(server);
    expect(() => setKeepAlive(server as unknown as net.Socket, 'database')).toThrow(
      expect.objectContaining({
        code: 'ERR_KEEPALIVE_NOT_TCP',
        message: expect.stringContaining('use keepAliveServer(server, options)'),
      }),
    );
    expect(kernelValues(server)).toBe(before);
  });

  const hasNamespaces = spawnSync('unshare', ['-Urn', 'true']).status === 0;
  test.runIf(hasNamespaces)(
    'defaults that Linux has but does not take are accepted where they are there',
    async () => {
      const script =
        'echo 86400 > /proc/sys/net/ipv4/tcp_keepalive_time; echo 200 > /proc/sys/net/ipv4/tcp_keepalive_probes; exec "$@"';
      const { stdout } = await promisify(execFile)('unshare', [
        ...['-Urn', 'sh', '-c', script, 'sh', process.execPath],
        ...fixtureArguments('wide-defaults.ts'),
      ]);
      const defaults = {
        enable: false,
        initialDelay: 86_400_000,
        interval: 75_000,
        count: 200,
        userTimeout: 0,
      };
      expect(JSON.parse(stdout)).toEqual({ read: defaults, set: defaults, refused: 'EINVAL' });
    },
  );

  test('a descriptor that Node was given', async () => {
    const client = await adopted(IPPROTO_TCP);
    expect(setKeepAlive(client, 'database')).toEqual(presets.database);
    expect(kernelValues(client)).toBe('1:10/5/3 24500');
  });

  describe('a Multipath TCP socket', () => {
    const isThere = canOpen(IPPROTO_MPTCP);
    const skipped = 'this kernel has no Multipath TCP, or net.mptcp.enabled is 0';

    test('takes keepalive but no user timeout', async ({ skip }) => {
      skip(!isThere, skipped);
      const client = await adopted(IPPROTO_MPTCP);
      const { userTimeout: _, ...rest } = presets.database;
      expect(setKeepAlive(client, 'database')).toEqual({ ...rest, skipped: ['userTimeout'] });
      expect(getKeepAlive(client)).toEqual(rest);
      expect(setKeepAlive(client, getKeepAlive(client))).toEqual(rest);
    });

    test('a user timeout alone is skipped, and nothing is set', async ({ skip }) => {
      skip(!isThere, skipped);
      const client = await adopted(IPPROTO_MPTCP);
      const before = getKeepAlive(client);
      expect(setKeepAlive(client, { userTimeout: 5_000 })).toEqual({ skipped: ['userTimeout'] });
      expect(setKeepAlive(client, { userTimeout: 5_000, enable: true })).toEqual({
        enable: true,
        skipped: ['userTimeout'],
      });
      expect(getKeepAlive(client)).toEqual({ ...before, enable: true });
    });

    test('strict throws, and nothing is set', async ({ skip }) => {
      skip(!isThere, skipped);
      const client = await adopted(IPPROTO_MPTCP);
      const before = getKeepAlive(client);
      expect(() => setKeepAlive(client, 'database', { strict: true })).toThrow(
        expect.objectContaining({
          code: 'ERR_KEEPALIVE_UNSUPPORTED',
          message:
            'Expected every option to be available (strict), got no `userTimeout` (TCP_USER_TIMEOUT) on linux for this connection; leave strict out to set the rest',
          cause: expect.objectContaining({ code: 'ENOPROTOOPT' }),
          applied: [],
        }),
      );
      expect(getKeepAlive(client)).toEqual(before);
    });
  });
});

const AF_INET = 2;
const SOCK_STREAM = 1;
const IPPROTO_TCP = 6;
const IPPROTO_MPTCP = 262;

function canOpen(protocol: number): boolean {
  if (process.platform !== 'linux') return false;
  const fd = openSocket(AF_INET, SOCK_STREAM, protocol);
  if (fd >= 0) closeDescriptor(fd);
  return fd >= 0;
}

/** A connected socket that was made past Node, and then given to it. */
async function adopted(protocol: number): Promise<net.Socket> {
  // A listener of the same protocol, because Multipath TCP falls back to TCP with any other.
  const listening = openSocket(AF_INET, SOCK_STREAM, protocol);
  bindToLoopback(listening);
  const listener = net.createServer((accepted) => accepted.resume()).listen({ fd: listening });
  await once(listener, 'listening');
  const fd = openSocket(AF_INET, SOCK_STREAM, protocol);
  expect(connectToLoopback(fd, (listener.address() as net.AddressInfo).port)).toBe(0);
  const client = new net.Socket({ fd });
  onTestFinished(() => {
    client.destroy();
    listener.close();
  });
  return client;
}

async function unixSocket(): Promise<net.Socket> {
  const directory = mkdtempSync(path.join(tmpdir(), 'tcp-keepalive-'));
  const listener = net.createServer((accepted) => accepted.unref()).listen(path.join(directory, 'socket'));
  await once(listener, 'listening');
  const client = net.connect(path.join(directory, 'socket'));
  await once(client, 'connect');
  onTestFinished(() => {
    client.destroy();
    listener.close();
    rmSync(directory, { recursive: true, force: true });
  });
  return client;
}

/** SO_KEEPALIVE, which a Unix socket has too. */
function rawEnable(socket: net.Socket): number {
  return getOption(fdOf(socket), linux.enable ?? expect.fail('no SO_KEEPALIVE on Linux'));
}

/** Where Node keeps it, without the warning that `_handle` would give. */
function descriptorOf(udp: UdpSocket): number {
  const state = Object.getOwnPropertySymbols(udp).find(({ description }) => description === 'state symbol');
  return (udp as unknown as Record<symbol, { handle: { fd: number } }>)[state as symbol]?.handle.fd as number;
}

/** A stream that says nothing of the socket under it. */
function streamOver(socket: net.Socket): Duplex {
  const stream = new Duplex({
    read() {},
    write(chunk, _encoding, done) {
      socket.write(chunk, done);
    },
    destroy(error, done) {
      socket.destroy();
      done(error);
    },
  });
  socket.on('data', (chunk) => stream.push(chunk));
  return stream;
}

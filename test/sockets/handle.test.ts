import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { constants } from 'node:os';
import { PassThrough } from 'node:stream';
import {
  getKeepAlive,
  getTcpInfo,
  type KeepAliveInput,
  keepAlive,
  type OnError,
  setKeepAlive,
} from 'tcp-keepalive';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { linux } from '../../native-bindings/platforms/linux.ts';
import { getOption } from '../../native-bindings/sockopt.ts';
import {
  attemptDescriptor,
  handleDescriptor,
  isSharedListener,
  listenerDescriptor,
  listenerHandle,
  NO_DESCRIPTOR,
  ownerOf,
  type TcpHandle,
  tcpHandle,
} from '../../src/sockets/handle.ts';
import { connection, unixConnection, untouched, untouchedConnection } from '../helpers/connection.ts';
import { type Handle, handleOf } from '../helpers/handle-of.ts';
import { soonAfter } from '../helpers/hold-parts.ts';
import { listen, listenOnPath } from '../helpers/listen.ts';
import { fdOf, kernelValues } from '../helpers/raw-options.ts';
import { socketKinds } from '../helpers/socket-kinds.ts';
import { streamOver } from '../helpers/stream-over.ts';
import { whileClosed } from '../helpers/system-calls.ts';
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

describe.runIf(process.platform === 'linux')('what cannot be reached', () => {
  const calls: { call: string; on: (socket: net.Socket) => unknown }[] = [
    { call: 'a preset', on: (socket) => setKeepAlive(socket, 'database') },
    { call: 'enable alone', on: (socket) => setKeepAlive(socket, { enable: true }) },
    { call: 'a user timeout alone', on: (socket) => setKeepAlive(socket, { userTimeout: 5_000 }) },
    { call: 'getKeepAlive', on: (socket) => getKeepAlive(socket) },
    { call: 'getTcpInfo', on: (socket) => getTcpInfo(socket) },
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
      const client = await untouchedConnection();
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
      const client = await unixConnection();
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

    test.each<{ what: string; lose: (socket: net.Socket) => void }>([
      { what: 'was sent to a child process', lose: (socket) => void childProcess().send('socket', socket) },
      { what: 'was closed by its handle', lose: (socket) => handleOf(socket).close() },
    ])('a socket that $what, and still shows the address of its peer', async ({ lose }) => {
      const client = await untouchedConnection();
      expect(client.remoteAddress).toBe('127.0.0.1');
      lose(client);
      expect(client.remoteAddress).toBe('127.0.0.1');
      const gone = expect.objectContaining({
        code: 'ERR_KEEPALIVE_NOT_CONNECTED',
        message: expect.stringContaining('got one whose handle was closed or sent to another process'),
      });
      expect(() => on(client)).toThrow(gone);
      await new Promise((resolve) => setImmediate(resolve));
      expect(() => on(client)).toThrow(gone);
    });

    test("a descriptor that was closed behind Node's back", async () => {
      const client = await untouchedConnection();
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

  test("a child's standard input, which is a Unix socket too", () => {
    const child = spawn(process.execPath, ['--eval', 'process.stdin.resume()'], {
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    onTestFinished(() => void child.kill());
    expect(() => setKeepAlive(child.stdin as net.Socket, 'database')).toThrow(
      expect.objectContaining({ code: 'ERR_KEEPALIVE_NOT_TCP' }),
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
});

/** A program that does nothing with what it is sent, until the test ends. */
function childProcess(): ChildProcess {
  const child = spawn(process.execPath, ['-e', "process.on('message', () => {})"], {
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  onTestFinished(() => void child.kill());
  return child;
}

describe.runIf(process.platform === 'linux')('a socket whose number another has by now', () => {
  const refused: { call: string; on: (socket: net.Socket) => unknown }[] = [
    { call: 'setKeepAlive', on: (socket) => setKeepAlive(socket, 'database') },
    { call: 'getKeepAlive', on: (socket) => getKeepAlive(socket) },
    { call: 'getTcpInfo', on: (socket) => getTcpInfo(socket) },
  ];

  test.each(refused)('is refused by $call', async ({ on }) => {
    const { gone, successor } = await replaced((socket) => void on(socket));
    expect(() => on(gone)).toThrow(expect.objectContaining({ code: 'ERR_KEEPALIVE_DESTROYED' }));
    expect(kernelValues(successor)).toBe(kernelValues(await connection()));
  });

  test.each<{ held: KeepAliveInput }>([{ held: 'database' }, { held: { interval: 5_000 } }])(
    'is left alone by keepAlive, and by what a driver calls on its handle: $held',
    async ({ held }) => {
      const onError = vi.fn<OnError>();
      let handle: Handle | undefined;
      const { gone, successor } = await replaced((socket) => {
        keepAlive(socket, held, { onError });
        handle = handleOf(socket);
        // Drivers have called before, too.
        handle.setKeepAlive(true, 32);
      });
      handle?.setKeepAlive(true, 33);
      gone.setKeepAlive(true, 34_000);
      keepAlive(gone, 'tunnel', { onError });
      keepAlive(gone, false, { onError });
      await soonAfter();
      expect(kernelValues(successor)).toBe(kernelValues(await connection()));
      expect(onError).not.toHaveBeenCalled();
    },
  );

  test('is left alone by the second look that follows its connect', async () => {
    const port = await listen(net.createServer());
    const successor = await reused(async () => {
      const gone = keepAlive(connectTo(port), 'database');
      await once(gone, 'connect');
      const fd = fdOf(gone);
      gone.destroy();
      const next = connectTo(port);
      await new Promise<void>((resolve) => process.nextTick(resolve));
      return fdOf(next) === fd ? next : undefined;
    });
    await soonAfter();
    expect(kernelValues(successor)).toBe(kernelValues(await connection()));
  });
});

/** Uses a connection and destroys it, until another one has the number of its descriptor. */
async function replaced(
  use: (socket: net.Socket) => void,
): Promise<{ gone: net.Socket; successor: net.Socket }> {
  const port = await listen(net.createServer());
  return reused(async () => {
    const gone = connectTo(port);
    await once(gone, 'connect');
    use(gone);
    const fd = fdOf(gone);
    gone.destroy();
    await once(gone, 'close');
    const successor = connectTo(port);
    await once(successor, 'connect');
    return fdOf(successor) === fd ? { gone, successor } : undefined;
  });
}

/** Tries again if something else of this process got the number first. */
async function reused<T>(attempt: () => Promise<T | undefined>): Promise<T> {
  for (let i = 0; i < 20; i++) {
    const result = await attempt();
    if (result !== undefined) return result;
  }
  return expect.fail('no connection got the number of one that was closed');
}

function connectTo(port: number): net.Socket {
  const socket = net.connect(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  return socket;
}

/** SO_KEEPALIVE, which a Unix socket has too. */
function rawEnable(socket: net.Socket): number {
  return getOption(fdOf(socket), linux.enable ?? expect.fail('no SO_KEEPALIVE on Linux'));
}

describe('the descriptor of a handle', () => {
  test.each([
    { fd: 0, shown: 0 },
    { fd: 2_147_483_647, shown: 2_147_483_647 },
    { fd: 2_147_483_648, shown: NO_DESCRIPTOR },
    { fd: 1.5, shown: NO_DESCRIPTOR },
    { fd: -9, shown: NO_DESCRIPTOR },
    { fd: undefined, shown: NO_DESCRIPTOR },
  ])('that shows $fd', ({ fd, shown }) => {
    expect(handleDescriptor({ fd } as TcpHandle)).toBe(shown);
  });

  test('inside others, but not inside more than Node ever nests', () => {
    const nested = (depth: number): TcpHandle =>
      depth === 0 ? { fd: 7 } : ({ _parent: nested(depth - 1) } as TcpHandle);
    expect([0, 1, 8, 9].map((depth) => handleDescriptor(nested(depth)))).toEqual([7, 7, 7, NO_DESCRIPTOR]);
  });

  test('that has no socket yet is what Node itself shows', async () => {
    const { fd } = handleOf(connectTo(await listen(net.createServer()))) as TcpHandle;
    expect(fd).toBe(NO_DESCRIPTOR);
  });
});

describe.runIf(process.platform === 'linux')('the descriptor of an attempt to connect', () => {
  const nextTick = () => new Promise<void>((resolve) => process.nextTick(resolve));

  test('is there one turn after the attempt begins, until it succeeds', async () => {
    const idle = new net.Socket();
    expect(attemptDescriptor(idle)).toBe(NO_DESCRIPTOR);
    const client = connectTo(await listen(net.createServer()));
    expect(attemptDescriptor(client)).toBe(NO_DESCRIPTOR);
    await nextTick();
    expect(attemptDescriptor(client)).toBe(fdOf(client));
    await once(client, 'connect');
    expect(attemptDescriptor(client)).toBe(NO_DESCRIPTOR);
  });

  test('is none once the socket is destroyed', async () => {
    const client = connectTo(await listen(net.createServer()));
    await nextTick();
    client.destroy();
    expect(attemptDescriptor(client)).toBe(NO_DESCRIPTOR);
  });

  test('is none on a Unix socket', async () => {
    const client = net.connect(await listenOnPath(net.createServer()));
    onTestFinished(() => void client.destroy());
    expect([attemptDescriptor(client), fdOf(client) > 0, client.connecting]).toEqual([
      NO_DESCRIPTOR,
      true,
      true,
    ]);
  });
});

test('a socket is found by its handle, unless TLS has left that', async () => {
  const client = await connection();
  const handle = tcpHandle(client) as TcpHandle;
  expect(ownerOf(handle)).toBe(client);
  const symbol = Object.getOwnPropertySymbols(handle).find((each) => Reflect.get(handle, each) === client);
  expect(ownerOf({ [symbol as symbol]: null } as TcpHandle)).toBeUndefined();
});

describe.runIf(process.platform === 'linux')('the handle of a listening socket', () => {
  test('has its descriptor, and is a new one each time', async () => {
    const server = net.createServer();
    expect(listenerHandle(server)).toBeUndefined();
    expect(listenerDescriptor(server)).toBe(NO_DESCRIPTOR);
    await listen(server);
    const first = listenerHandle(server);
    expect(listenerDescriptor(server)).toBe(fdOf(server));
    server.close();
    expect(listenerHandle(server)).toBeUndefined();
    await once(server.listen(0, '127.0.0.1'), 'listening');
    expect(listenerHandle(server)).toBeTypeOf('object');
    expect(listenerHandle(server)).not.toBe(first);
  });

  test('is shared if it has a function of its own to close it', async () => {
    const server = net.createServer();
    expect(isSharedListener(server)).toBe(false);
    await listen(server);
    expect(isSharedListener(server)).toBe(false);
    // As a worker of a cluster does.
    const handle = listenerHandle(server) as TcpHandle;
    handle.close = Reflect.get(Object.getPrototypeOf(handle), 'close');
    expect(isSharedListener(server)).toBe(true);
  });
});

test.each([
  { runtime: 'Node and Bun', description: 'owner_symbol' },
  { runtime: 'Deno', description: 'ownerSymbol' },
])('the socket of a handle is found as $runtime keeps it there', async ({ description }) => {
  vi.resetModules();
  const { ownerOf } = await import('../../src/sockets/handle.ts');
  const owner = Symbol(description);
  const socket = new net.Socket();
  expect(ownerOf({ [Symbol('async_id')]: 1 } as TcpHandle)).toBeUndefined();
  expect(ownerOf({ [Symbol('async_id')]: 1, [owner]: socket } as TcpHandle)).toBe(socket);
  // Node sets it to null on a handle that TLS has left.
  expect(ownerOf({ [owner]: null } as TcpHandle)).toBeUndefined();
});

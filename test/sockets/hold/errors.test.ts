import { once } from 'node:events';
import http2 from 'node:http2';
import net from 'node:net';
import { Duplex } from 'node:stream';
import tls from 'node:tls';
import { keepAlive, keepAliveServer, type OnError, setKeepAlive } from 'tcp-keepalive';
import { describe, expect, type Mock, onTestFinished, test, vi } from 'vitest';
import { connection } from '../../helpers/connection.ts';
import { handleOf } from '../../helpers/handle-of.ts';
import { databaseInKernel, soonAfter } from '../../helpers/hold-parts.ts';
import { listen, listenOnPath } from '../../helpers/listen.ts';
import { fdOf, kernelValues } from '../../helpers/raw-options.ts';
import { whileClosed } from '../../helpers/system-calls.ts';

/** A socket that has begun to connect to a Unix listener. */
async function unixSocket(): Promise<net.Socket> {
  const socket = net.connect(await listenOnPath(net.createServer()));
  onTestFinished(() => void socket.destroy());
  return socket;
}

function tlsOverDuplex(): tls.TLSSocket {
  const stream = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
  const socket = tls.connect({ socket: stream });
  onTestFinished(() => void socket.on('error', () => {}).destroy());
  return socket;
}

function codesOf(onError: Mock<OnError>): unknown[] {
  return onError.mock.calls.map(([error]) => (error as NodeJS.ErrnoException).code);
}

/** The process warnings from now until the test ends, kept out of its output. */
function warnings(): unknown[][] {
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
  onTestFinished(() => warn.mockRestore());
  return warn.mock.calls;
}

function warning(code: string): unknown[] {
  return [expect.any(String), { type: 'KeepAliveWarning', code }];
}

/** The package as at the start of a process, when it has not warned of anything. */
async function freshPackage(): Promise<typeof import('../../../src/index.ts')> {
  vi.resetModules();
  return import('../../../src/index.ts');
}

describe.runIf(process.platform === 'linux')('onError is told', () => {
  test('of a Unix socket, which goes on', async () => {
    const onError = vi.fn<OnError>();
    const socket = keepAlive(await unixSocket(), 'database', { onError });
    await once(socket, 'connect');
    await soonAfter();
    expect(codesOf(onError)).toEqual(['ERR_KEEPALIVE_NOT_TCP']);
    expect(socket.writable).toBe(true);

    const open = vi.fn<OnError>();
    expect(keepAlive(socket, 'database', { onError: open })).toBe(socket);
    expect(codesOf(open)).toEqual(['ERR_KEEPALIVE_NOT_TCP']);
  });

  test('of TLS over a generic stream', () => {
    const onError = vi.fn<OnError>();
    keepAlive(tlsOverDuplex(), 'database', { onError });
    expect(codesOf(onError)).toEqual(['ERR_KEEPALIVE_NO_DESCRIPTOR']);
  });

  test('of a system call that fails, now', async () => {
    const socket = await connection();
    const onError = vi.fn<OnError>();
    whileClosed(fdOf(socket), () => keepAlive(socket, 'database', { onError }));
    expect(codesOf(onError)).toEqual(['EBADF']);
    // The hold is there, and has what it needs the next time.
    keepAlive(socket, 'database', { onError });
    expect(kernelValues(socket)).toBe(databaseInKernel);
  });

  test('of a system call that fails when a driver’s values are written over', async () => {
    const socket = await connection();
    const onError = vi.fn<OnError>();
    keepAlive(socket, { interval: 5_000 }, { onError });
    whileClosed(fdOf(socket), () => socket.setKeepAlive(true, 33_000));
    expect(codesOf(onError)).toEqual(['EBADF']);
  });

  test.each<{ what: string; value: unknown }>([
    { what: 'a plain object', value: {} },
    { what: 'null', value: null },
    { what: 'undefined', value: undefined },
    { what: 'a stream', value: new Duplex() },
    { what: 'a string', value: 'socket' },
  ])('of $what', ({ value }) => {
    const onError = vi.fn<OnError>();
    expect(keepAlive(value as net.Socket, 'database', { onError })).toBe(value);
    keepAlive(value as net.Socket, false, { onError });
    expect(codesOf(onError)).toEqual(['ERR_KEEPALIVE_NOT_TCP', 'ERR_KEEPALIVE_NOT_TCP']);
    expect(Reflect.ownKeys(Object(value))).not.toContain(Symbol.for('tcp-keepalive.hold'));
  });

  test.each([
    { state: 'that listens', start: listen },
    { state: 'that does not listen', start: () => {} },
  ])('of a server $state, which has a function of its own', async ({ start }) => {
    const server = net.createServer();
    await start(server);
    const onError = vi.fn<OnError>();
    expect(keepAlive(server as unknown as net.Socket, 'database', { onError })).toBe(server);
    expect(onError.mock.calls).toEqual([
      [
        expect.objectContaining({
          code: 'ERR_KEEPALIVE_NOT_TCP',
          message:
            'Expected a connected socket, got a server; use keepAliveServer(server, options), for what it accepts',
        }),
      ],
    ]);
    expect(server.listenerCount('connect')).toBe(0);
  });

  test('by the handler given last', async () => {
    const socket = await connection();
    const first = vi.fn<OnError>();
    const last = vi.fn<OnError>();
    keepAlive(socket, 'database', { onError: first });
    keepAlive(socket, { interval: 5_000 }, { onError: last });
    whileClosed(fdOf(socket), () => socket.setKeepAlive(true, 33_000));
    expect(first).not.toHaveBeenCalled();
    expect(codesOf(last)).toEqual(['EBADF']);
  });

  test('by the handler of the hold, also after setKeepAlive has changed what is held', async () => {
    const socket = await connection();
    const onError = vi.fn<OnError>();
    keepAlive(socket, { interval: 5_000 }, { onError });
    setKeepAlive(socket, { interval: 6_000 });
    whileClosed(fdOf(socket), () => socket.setKeepAlive(true, 33_000));
    expect(codesOf(onError)).toEqual(['EBADF']);
  });
});

describe.runIf(process.platform === 'linux')('without onError', () => {
  test('there is one warning for each kind of error', async () => {
    const fresh = await freshPackage();
    const given = warnings();
    const socket = await connection();
    for (let i = 0; i < 3; i++) {
      fresh.keepAlive({} as net.Socket, 'database');
      fresh.keepAlive(tlsOverDuplex(), 'database');
      whileClosed(fdOf(socket), () => fresh.keepAlive(socket, 'database'));
    }
    expect(given).toEqual([
      warning('ERR_KEEPALIVE_NOT_TCP'),
      warning('ERR_KEEPALIVE_NO_DESCRIPTOR'),
      warning('EBADF'),
    ]);
  });
});

describe.runIf(process.platform === 'linux')('nothing is told', () => {
  test('of a socket destroyed before it connected', async () => {
    const onError = vi.fn<OnError>();
    const socket = net.connect(await listen(net.createServer()), '127.0.0.1');
    keepAlive(socket, 'database', { onError });
    socket.destroy();
    await once(socket, 'close');
    expect(onError).not.toHaveBeenCalled();
  });

  test.each(['before ours', 'after ours'])(
    "of a socket destroyed in a 'connect' listener %s",
    async (order) => {
      const onError = vi.fn<OnError>();
      const socket = net.connect(await listen(net.createServer()), '127.0.0.1');
      if (order === 'before ours') socket.on('connect', () => void socket.destroy());
      keepAlive(socket, 'database', { onError });
      if (order === 'after ours') socket.on('connect', () => void socket.destroy());
      await once(socket, 'close');
      await soonAfter();
      expect(onError).not.toHaveBeenCalled();
    },
  );

  test('of a socket that is gone', async () => {
    const onError = vi.fn<OnError>();
    const socket = await connection();
    socket.destroy();
    keepAlive(socket, 'database', { onError });
    await once(socket, 'close');
    keepAlive(socket, 'database', { onError });
    keepAlive(socket, false, { onError });
    expect(onError).not.toHaveBeenCalled();
  });

  test('of an http2 session destroyed as it connects, or gone', async () => {
    const port = await listen(http2.createServer());
    const session = http2.connect(`http://127.0.0.1:${port}`);
    const proxy = session.socket as net.Socket;
    const onError = vi.fn<OnError>();
    keepAlive(proxy, 'database', { onError });
    session.once('connect', () => session.destroy());
    await once(session, 'close');
    await soonAfter();
    keepAlive(proxy, 'database', { onError });
    keepAlive(proxy, false, { onError });
    expect(onError).not.toHaveBeenCalled();
  });

  test('of a held socket that is gone when a driver calls', async () => {
    const onError = vi.fn<OnError>();
    const socket = await connection();
    keepAlive(socket, { interval: 5_000 }, { onError });
    const handle = handleOf(socket);
    socket.destroy();
    await once(socket, 'close');
    handle.setKeepAlive(true, 33);
    expect(onError).not.toHaveBeenCalled();
  });
});

test.each<{ what: string; options: unknown }>([
  { what: 'an unknown preset', options: 'databse' },
  { what: 'seconds', options: { initialDelay: 60 } },
  { what: 'an unknown key', options: { idle: 60_000 } },
  { what: 'true', options: true },
  { what: 'nothing', options: undefined },
])('$what is refused before the socket is touched', async ({ options }) => {
  const socket = await connection();
  const seen = () => [
    Reflect.ownKeys(socket),
    Reflect.ownKeys(handleOf(socket)),
    socket.listenerCount('connect'),
    kernelValues(socket),
  ];
  const before = seen();
  const onError = vi.fn<OnError>();
  expect(() => keepAlive(socket, options as 'database', { onError })).toThrow(
    expect.objectContaining({ code: 'ERR_KEEPALIVE_INVALID_OPTION' }),
  );
  expect(seen()).toEqual(before);
  expect(onError).not.toHaveBeenCalled();
});

test.each<{ behaviour: unknown; got: string }>([
  { behaviour: { onError: null }, got: 'null' },
  { behaviour: { onError: 'x' }, got: '`x` (string)' },
  { behaviour: () => {}, got: 'a function' },
])('$got is refused as onError before the socket is touched', async ({ behaviour, got }) => {
  const socket = await connection();
  const server = net.createServer();
  const before = [kernelValues(socket), socket.listenerCount('connect'), server.eventNames()];
  const refusal = expect.objectContaining({
    code: 'ERR_KEEPALIVE_INVALID_OPTION',
    message: expect.stringContaining(`, got ${got}`),
  });
  expect(() => keepAlive(socket, 'database', behaviour as object)).toThrow(refusal);
  expect(() => keepAlive(socket, false, behaviour as object)).toThrow(refusal);
  expect(() => keepAliveServer(server, 'database', behaviour as object)).toThrow(refusal);
  expect([kernelValues(socket), socket.listenerCount('connect'), server.eventNames()]).toEqual(before);
});

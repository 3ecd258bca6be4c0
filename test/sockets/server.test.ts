import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import net from 'node:net';
import { constants, tmpdir } from 'node:os';
import path from 'node:path';
import tls from 'node:tls';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { keepAliveServer, type OnError } from 'tcp-keepalive';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { linux } from '../../native-bindings/platforms/linux.ts';
import { hidesErrors, readError } from '../../src/sockets/ending.ts';
import { EXPLICIT, GIVEN, type MarkedHandle } from '../../src/sockets/hold-record.ts';
import { failCallsOf } from '../helpers/fail-calls.ts';
import { handleOf } from '../helpers/handle-of.ts';
import { heard } from '../helpers/heard.ts';
import { databaseInKernel } from '../helpers/hold-parts.ts';
import { accept, portOf, untilFinished } from '../helpers/listen.ts';
import { PATIENCE } from '../helpers/patience.ts';
import { fdOf, kernelValues, writeRaw } from '../helpers/raw-options.ts';
import { hasRetransmitInterval } from '../helpers/retransmit-interval.ts';
import { fixtureArguments } from '../helpers/run-fixture.ts';
import { whileClosed } from '../helpers/system-calls.ts';
import { certificate, certificateKey } from '../helpers/test-certificate.ts';

// On Node 20 and 22 one listener stays, for what the kernel gives up.
const ends = hidesErrors ? 1 : 0;

const credentials = { cert: certificate, key: certificateKey };

async function listening<S extends net.Server>(server: S, host = '127.0.0.1'): Promise<S> {
  server.listen(0, host);
  await once(server, 'listening');
  return server;
}

describe.runIf(process.platform === 'linux')('accepted connections get the options', () => {
  test.each([
    { when: 'before listen()', early: true },
    { when: 'after listen()', early: false },
  ])('when given $when', async ({ early }) => {
    const server = untilFinished(net.createServer());
    if (early) expect(keepAliveServer(server, 'database')).toBe(server);
    await listening(server);
    if (!early) {
      expect(kernelValues(await accept(server))).not.toBe(databaseInKernel);
      keepAliveServer(server, 'database');
    }
    expect(kernelValues(server)).toBe(databaseInKernel);
    expect(kernelValues(await accept(server))).toBe(databaseInKernel);
  });

  test("when given between listen() and 'listening'", async () => {
    const server = untilFinished(net.createServer()).listen(0, '127.0.0.1');
    keepAliveServer(server, 'database');
    await once(server, 'listening');
    expect(kernelValues(await accept(server))).toBe(databaseInKernel);
    expect(server.listenerCount('listening')).toBe(1);
  });

  test.each<{ kind: string; create: () => net.Server }>([
    { kind: 'http', create: () => http.createServer() },
    { kind: 'https', create: () => https.createServer(credentials) },
    { kind: 'tls', create: () => tls.createServer(credentials) },
    { kind: 'http2', create: () => http2.createServer() },
    { kind: 'secure http2', create: () => http2.createSecureServer(credentials) },
    { kind: 'http, with its own keepAlive', create: () => http.createServer({ keepAlive: true }) },
    {
      kind: 'net, with its own keepAlive',
      create: () => net.createServer({ keepAlive: true, keepAliveInitialDelay: 33_000 }),
    },
    {
      kind: 'tls, with its own keepAlive',
      create: () => tls.createServer({ ...credentials, keepAlive: true, keepAliveInitialDelay: 33_000 }),
    },
  ])('of a server of $kind', async ({ create }) => {
    const server = await listening(untilFinished(keepAliveServer(create(), 'database')));
    for (let i = 0; i < 2; i++) {
      expect(kernelValues(await accept(server))).toBe(databaseInKernel);
    }
  });

  test.each([
    { listen: '::1', connect: '::1' },
    { listen: '::', connect: '::1' },
    { listen: '::', connect: '127.0.0.1' },
  ])('from $connect on $listen', async ({ listen, connect }) => {
    const server = await listening(untilFinished(keepAliveServer(net.createServer(), 'database')), listen);
    expect(kernelValues(await accept(server, connect))).toBe(databaseInKernel);
  });

  test('with the fields given, and the rest as the system has it', async () => {
    const plain = await accept(await listening(untilFinished(net.createServer())));
    const expected = kernelValues(plain).replace(/ 0$/, ' 5000');
    const server = untilFinished(keepAliveServer(net.createServer(), { userTimeout: 5_000 }));
    expect(kernelValues(await accept(await listening(server)))).toBe(expected);
  });

  test('through close() and another listen()', async () => {
    const server = untilFinished(keepAliveServer(net.createServer(), 'database'));
    for (let i = 0; i < 3; i++) {
      await listening(server);
      const accepted = await accept(server);
      expect(kernelValues(accepted)).toBe(databaseInKernel);
      accepted.destroy();
      server.close();
      await once(server, 'close');
    }
    expect(server.listenerCount('listening')).toBe(1);
  });

  test('of the last call, from then on', async () => {
    const server = await listening(untilFinished(keepAliveServer(net.createServer(), 'database')));
    const earlier = await accept(server);
    keepAliveServer(server, 'tunnel');
    const later = await accept(server);
    expect([kernelValues(earlier), kernelValues(later)]).toEqual([databaseInKernel, '1:30/10/6 89500']);
    expect(server.listenerCount('listening')).toBe(1);

    const own = await listening(untilFinished(net.createServer({ keepAlive: true })));
    keepAliveServer(keepAliveServer(own, 'database'), 'tunnel');
    expect(own.listenerCount('connection')).toBe(2 + ends); // This test's, and one of ours.
    expect(kernelValues(await accept(own))).toBe('1:30/10/6 89500');
  });

  test('of another copy of the package', async () => {
    vi.resetModules();
    const other: typeof import('../../src/index.ts') = await import('../../src/index.ts');
    const server = untilFinished(net.createServer({ keepAlive: true }));
    other.keepAliveServer(keepAliveServer(server, 'tunnel'), 'database');
    await listening(server);
    const listeners = server.listenerCount('connection');
    expect(kernelValues(await accept(server))).toBe(databaseInKernel);
    expect(listeners).toBe(2 + ends); // This test's, and one of ours.
  });

  test('before the server’s own code sees the connection, which may set others', async () => {
    const server = net.createServer({ keepAlive: true }, (socket) => writeRaw(socket, 'count', 4));
    keepAliveServer(untilFinished(server), 'database');
    expect(kernelValues(await accept(await listening(server)))).toBe('1:10/5/4 24500');
  });

  test('while they wait to be accepted', async () => {
    const clients = await clientsInAThread(5);
    const accepted: net.Socket[] = [];
    const server = untilFinished(net.createServer((socket) => accepted.push(socket)));
    keepAliveServer(server, 'database');
    // Without a host the kernel listens at once, and 'listening' comes once the work is done.
    server.listen(0);
    clients.connectAndWait(portOf(server));
    await vi.waitUntil(() => accepted.length === 5, PATIENCE);
    expect(accepted.map(kernelValues)).toEqual(Array(5).fill(databaseInKernel));
    expect(server.listenerCount('connection')).toBe(2 + ends); // This test's.
    expect(kernelValues(await accept(server))).toBe(databaseInKernel);
  });
});

describe.runIf(process.platform === 'linux')('a connection costs nothing', () => {
  test('for listeners', async () => {
    const server = net.createServer();
    await listening(keepAliveServer(server, 'database'));
    onTestFinished(() => void server.close());
    expect(server.listenerCount('connection')).toBe(ends);
  });

  test('in system calls', async ({ skip }) => {
    if (!(await straceWorks())) skip('strace is not installed, or not allowed here');
    const [without, withOptions] = await Promise.all([optionCalls('without'), optionCalls('with')]);
    expect(withOptions.forConnections).toBe(without.forConnections);
    // The options on the listener, and the length of its queue. A kernel that lacks the last one is asked for it once.
    const extra = hasRetransmitInterval ? 7 : 9;
    expect(withOptions.atListen).toBe(without.atListen + extra);
  });
});

describe('onError is told', () => {
  test('of nothing where the listener is a Unix socket', async () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'keepalive-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const file = path.join(directory, 'socket');
    for (const server of [net.createServer(), net.createServer({ keepAlive: true })]) {
      const onError = vi.fn<OnError>();
      keepAliveServer(untilFinished(server), 'database', { onError }).listen(file);
      await once(server, 'listening');
      const client = net.connect(file);
      const [accepted] = await once(server, 'connection');
      client.end('hello');
      const [data] = await once(accepted, 'data');
      expect(String(data)).toBe('hello');
      expect(onError).not.toHaveBeenCalled();
      accepted.destroy();
      server.close();
      await once(server, 'close');
    }
  });

  test.runIf(process.platform === 'linux')('of a system call that fails', async () => {
    const server = await listening(untilFinished(net.createServer()));
    const onError = vi.fn<OnError>();
    whileClosed(fdOf(server), () => keepAliveServer(server, 'database', { onError }));
    expect(onError.mock.calls).toEqual([[expect.objectContaining({ code: 'EBADF' })]]);
  });

  test.runIf(process.platform === 'linux')(
    'of a system call that fails on a connection that is set by itself',
    async () => {
      const onError = vi.fn<OnError>();
      const server = net.createServer({ keepAlive: true });
      await listening(keepAliveServer(untilFinished(server), 'database', { onError }));
      failCallsOf(linux.count?.name ?? expect.fail('no count on Linux'), constants.errno.EPERM);
      await accept(server);
      expect(onError.mock.calls).toEqual([[expect.objectContaining({ code: 'EPERM' })]]);
    },
  );

  test('of a look-alike that no listener can be added to', () => {
    const onError = vi.fn<OnError>();
    const value = { address() {}, prependListener() {}, listening: false } as unknown as net.Server;
    expect(keepAliveServer(value, 'database', { onError })).toBe(value);
    expect(onError.mock.calls).toEqual([
      [
        expect.objectContaining({
          code: 'ERR_KEEPALIVE_NOT_TCP',
          message: 'Expected a net.Server, got a value that cannot be used as one',
          cause: expect.any(TypeError),
        }),
      ],
    ]);
  });

  test('of nothing where somebody destroys the connection first', async () => {
    const onError = vi.fn<OnError>();
    const server = net.createServer({ keepAlive: true });
    await listening(keepAliveServer(untilFinished(server), 'database', { onError }));
    server.prependListener('connection', (socket) => socket.destroy());
    await accept(server);
    expect(onError).not.toHaveBeenCalled();
  });
});

test.each<{ what: string; options: unknown }>([
  { what: 'an unknown preset', options: 'databse' },
  { what: 'seconds', options: { initialDelay: 60 } },
  { what: 'false', options: false },
])('$what is refused before the server is touched', async ({ options }) => {
  const server = untilFinished(net.createServer());
  const before = [Reflect.ownKeys(server), server.eventNames()];
  expect(() => keepAliveServer(server, options as 'database')).toThrow(
    expect.objectContaining({ code: 'ERR_KEEPALIVE_INVALID_OPTION' }),
  );
  expect([Reflect.ownKeys(server), server.eventNames()]).toEqual(before);
});

/** Clients that connect, and stay connected, while this thread does nothing else. */
async function clientsInAThread(count: number): Promise<{ connectAndWait(port: number): void }> {
  const [PORT, CONNECTED] = [0, 1];
  const shared = new Int32Array(new SharedArrayBuffer(8));
  const worker = new Worker(
    `const { workerData: shared, parentPort } = require('node:worker_threads');
     parentPort.postMessage('ready');
     Atomics.wait(shared, ${PORT}, 0);
     for (let i = 0; i < ${count}; i++) {
       const socket = require('node:net').connect(shared[${PORT}], '127.0.0.1');
       socket.on('error', () => {}).on('connect', () => {
         Atomics.add(shared, ${CONNECTED}, 1);
         Atomics.notify(shared, ${CONNECTED});
       });
     }`,
    { eval: true, workerData: shared },
  );
  onTestFinished(async () => void (await worker.terminate()));
  await once(worker, 'message');
  return {
    connectAndWait(port) {
      shared[PORT] = port;
      Atomics.notify(shared, PORT);
      for (let connected = 0; connected < count; connected = shared[CONNECTED] ?? 0) {
        const outcome = Atomics.wait(shared, CONNECTED, connected, 5_000);
        if (outcome === 'timed-out') throw new Error(`only ${connected} of ${count} clients connected`);
      }
    },
  };
}

function straceWorks(): Promise<boolean> {
  return new Promise((resolve) => execFile('strace', ['true'], (error) => resolve(error === null)));
}

/** How many socket options a service sets and reads to listen, and for ten connections. */
async function optionCalls(
  options: 'with' | 'without',
): Promise<{ atListen: number; forConnections: number }> {
  const directory = mkdtempSync(path.join(tmpdir(), 'keepalive-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const trace = path.join(directory, 'trace');
  const service = [process.execPath, ...(await fixtureArguments('server-connections.ts', options))];
  await promisify(execFile)('strace', [
    ...['-f', '-qq', '-o', trace, '-e', 'trace=setsockopt,getsockopt,kill', '-e', 'signal=none'],
    ...service,
  ]);
  const [, atListen, forConnections] = readFileSync(trace, 'utf8')
    .split(/^.* kill\(.*$/m)
    .map((calls) => calls.match(/ [sg]etsockopt\(/g)?.length ?? 0);
  return { atListen: atListen ?? Number.NaN, forConnections: forConnections ?? Number.NaN };
}

const itself = '; pass the server itself, such as what app.listen() returns';

test.each<{ what: string; value: unknown; hint: string }>([
  { what: 'a plain object', value: {}, hint: itself },
  { what: 'null', value: null, hint: itself },
  { what: 'a revoked proxy', value: revokedProxy(), hint: '' },
  { what: 'what express() gives', value: { listen() {}, on() {} }, hint: itself },
  { what: 'a promise', value: Promise.resolve(), hint: '; await it first' },
])('$what is refused, and told: $hint', ({ value, hint }) => {
  expect(() => keepAliveServer(value as net.Server, 'database')).toThrow(
    expect.objectContaining({
      name: 'TypeError',
      code: 'ERR_KEEPALIVE_INVALID_OPTION',
      message: expect.toSatisfy((message: string) => message.endsWith(hint)),
    }),
  );
});

function revokedProxy(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

describe.runIf(process.platform === 'linux')('for those who want to hear of lost connections', () => {
  const by = { rank: 'explicit', name: 'keepAliveServer' };

  /** What a connection says that the kernel gives up. */
  async function lose(socket: net.Socket): Promise<Error> {
    const error = readError(-constants.errno.ETIMEDOUT);
    await new Promise((resolve) => socket.once('close', resolve).destroy(error));
    return error;
  }

  test('an accepted connection is known with what its server was given', async () => {
    const lost = heard('lost');
    const server = await listening(keepAliveServer(untilFinished(net.createServer()), { count: 4 }));
    const socket = await accept(server);
    expect((handleOf(socket) as MarkedHandle)[GIVEN]).toEqual({
      settings: { enable: true, count: 4 },
      rank: EXPLICIT,
      onError: undefined,
      owner: { released: false, name: 'keepAliveServer' },
      listens: false,
    });
    const error = await lose(socket);
    expect(lost.of(socket)).toMatchObject([{ by, error, options: { count: 4 } }]);
  });

  test('so is one that does not inherit, and is set itself', async () => {
    const [lost, set] = [heard('lost'), heard('set')];
    const server = untilFinished(net.createServer());
    const accepted = once(server, 'connection') as Promise<[net.Socket]>;
    keepAliveServer(server, { count: 4 });
    const clients = await clientsInAThread(1);
    // It waits in the queue before 'listening' comes.
    server.listen(0);
    clients.connectAndWait(portOf(server));
    const [socket] = await accepted;
    expect(set.of(socket)).toMatchObject([{ by, options: { count: 4 }, held: false }]);
    await lose(socket);
    expect(lost.of(socket)).toHaveLength(1);
  });

  test('nothing is put on it for nobody', async () => {
    const server = await listening(keepAliveServer(untilFinished(net.createServer()), { count: 4 }));
    expect((handleOf(await accept(server)) as MarkedHandle)[GIVEN]).toBeUndefined();
  });
});

import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import { keepAlive, type OnError, predictDetection, setKeepAlive } from 'tcp-keepalive';
import { vanish } from 'tcp-keepalive/testing';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { loadLibc } from '../../../native-bindings/libc.ts';
import { expectWithin } from '../../helpers/detection.ts';
import { failCallsOf } from '../../helpers/fail-calls.ts';
import { handleOf } from '../../helpers/handle-of.ts';
import { databaseInKernel, soonAfter } from '../../helpers/hold-parts.ts';
import { listen } from '../../helpers/listen.ts';
import { packageOn } from '../../helpers/package-on.ts';
import { fdOf, kernelValues, writeRaw } from '../../helpers/raw-options.ts';
import { recordedLibc } from '../../helpers/recorded-libc.ts';

const options = { initialDelay: 10_000, interval: 5_000, count: 3, userTimeout: 1_000 } as const;
const bounded = predictDetection(options).connecting;

/** A server that ignores every SYN, as a host does that has vanished. */
async function vanished(host = '127.0.0.1', port = 0): Promise<number> {
  const server = net.createServer();
  const listening = await listen(server, port, host);
  vanish(server);
  return listening;
}

function ended<S extends net.Socket>(socket: S): S {
  onTestFinished(() => void socket.destroy());
  return socket;
}

const addresses = (...of: string[]): net.LookupFunction =>
  ((_name, { all }, done) => {
    setImmediate(() =>
      all
        ? done(
            null,
            of.map((address) => ({ address, family: 4 })),
          )
        : done(null, of[0] ?? '', 4),
    );
  }) as net.LookupFunction;

const ofTwoAddresses = {
  host: 'db.internal',
  lookup: addresses('127.0.0.2', '127.0.0.1'),
  autoSelectFamilyAttemptTimeout: 50,
};

/** Expects that a socket that connects now fails as `connecting` of its prediction says. */
async function expectBounded(socket: net.Socket): Promise<void> {
  const warn = vi.spyOn(process, 'emitWarning');
  onTestFinished(() => warn.mockRestore());
  const began = performance.now();
  const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
  expect(error).toMatchObject({ code: 'ETIMEDOUT' });
  expectWithin(bounded, began);
  expect(warn).not.toHaveBeenCalled();
}

describe.runIf(process.platform === 'linux')('an attempt to connect to a vanished server', () => {
  test.each<[way: string, begin: (port: number) => net.Socket | Promise<net.Socket>]>([
    ['by address', (port) => net.connect(port, '127.0.0.1')],
    ['by name', (port) => net.connect({ port, host: 'db.internal', lookup: addresses('127.0.0.1') })],
    [
      'by a name with several addresses',
      async (port) => {
        await vanished('127.0.0.2', port);
        return net.connect({ ...ofTwoAddresses, port });
      },
    ],
    [
      'by a lookup that answers at once',
      (port) =>
        net.connect({
          port,
          host: 'db.internal',
          autoSelectFamily: false,
          lookup: (_name, _options, done) => done(null, '127.0.0.1', 4),
        }),
    ],
    ['with TLS', (port) => tls.connect({ port, host: '127.0.0.1' })],
    [
      'with TLS, by a name with several addresses',
      async (port) => {
        await vanished('127.0.0.2', port);
        return tls.connect({ ...ofTwoAddresses, port } as tls.ConnectionOptions);
      },
    ],
    [
      'that has begun',
      async (port) => {
        const socket = net.connect(port, '127.0.0.1');
        await new Promise(process.nextTick);
        return socket;
      },
    ],
  ])('is bounded: %s', async (_way, begin) => {
    const socket = ended(await begin(await vanished()));
    await expectBounded(keepAlive(socket, options));
  });

  test('is bounded if a driver removes all listeners', async () => {
    const socket = ended(keepAlive(net.connect(await vanished(), '127.0.0.1'), options));
    await once(socket, 'connectionAttempt');
    await new Promise(process.nextTick);
    socket.removeAllListeners();
    await expectBounded(socket);
  });

  test('is bounded each time that a socket connects', async () => {
    const port = await vanished();
    const socket = ended(keepAlive(net.connect(port, '127.0.0.1'), options));
    await once(socket, 'error');
    await once(socket, 'close');
    await expectBounded(socket.connect(port, '127.0.0.1'));
  });

  test('is not bounded once the hold has ended', async () => {
    const onError = vi.fn<OnError>();
    const socket = ended(net.connect(await vanished(), '127.0.0.1'));
    keepAlive(keepAlive(socket, options), false, { onError });
    await once(socket, 'connectionAttempt');
    await new Promise(process.nextTick);
    expect(kernelValues(socket)).toMatch(/^0:.* 0$/);
    expect(onError).not.toHaveBeenCalled();
  });
});

describe.runIf(process.platform === 'linux')('a socket that connects', () => {
  const begun = async (socket: net.Socket) => {
    await once(socket, 'connectionAttempt');
    await new Promise(process.nextTick);
  };

  test('has its options before, needs no system call at its connect, and keeps them', async () => {
    const socket = ended(net.connect(await listen(net.createServer()), '127.0.0.1'));
    keepAlive(socket, 'database');
    await begun(socket);
    expect(socket.connecting).toBe(true);
    expect(kernelValues(socket)).toBe(databaseInKernel);

    const calls = vi.spyOn(loadLibc(), 'setsockopt');
    const reads = vi.spyOn(loadLibc(), 'getsockopt');
    onTestFinished(() => void [calls, reads].map((spy) => spy.mockRestore()));
    let counted: number[] = [];
    const count = () => {
      counted = [calls, reads].map(({ mock }) => mock.calls.filter(([fd]) => fd === fdOf(socket)).length);
    };
    socket.on('connect', count);
    await once(socket, 'connect');
    expect(counted).toEqual([0, 0]);
    handleOf(socket).setKeepAlive(true, 33);
    await soonAfter();
    count();
    // The second look is at the two options that Node's own call would have changed.
    expect(counted).toEqual([0, 2]);
    expect(kernelValues(socket)).toBe(databaseInKernel);
  });

  test('keeps them if a driver removes all listeners', async () => {
    const socket = ended(keepAlive(net.connect(await listen(net.createServer()), '127.0.0.1'), 'database'));
    await begun(socket);
    socket.removeAllListeners();
    await once(socket, 'connect');
    socket.setKeepAlive(true, 33_000);
    expect(kernelValues(socket)).toBe(databaseInKernel);
  });

  test('is looked at once more if an earlier listener has changed what is held', async () => {
    const socket = ended(net.connect(await listen(net.createServer()), '127.0.0.1'));
    socket.on('connect', () => setKeepAlive(socket, { count: 4 }));
    keepAlive(socket, 'database');
    socket.on('connect', () => writeRaw(socket, 'interval', 1));
    await once(socket, 'connect');
    await soonAfter();
    expect(kernelValues(socket)).toBe('1:10/5/4 24500');
  });

  test('gets what was asked for last', async () => {
    const socket = ended(keepAlive(net.connect(await listen(net.createServer()), '127.0.0.1'), 'tunnel'));
    await begun(socket);
    keepAlive(socket, 'database');
    expect(kernelValues(socket)).toBe(databaseInKernel);
    await once(socket, 'connect');
    await soonAfter();
    expect(kernelValues(socket)).toBe(databaseInKernel);
  });

  test('is not told of what its system lacks', async () => {
    const { calls } = recordedLibc();
    const { keepAlive } = await packageOn('netbsd');
    const onError = vi.fn<OnError>();
    const socket = keepAlive(net.connect(await listen(net.createServer()), '127.0.0.1'), 'database', {
      onError,
    });
    await begun(ended(socket));
    expect(calls.map(({ value }) => value)).toEqual([5, 3, 10, 1]);
    expect(onError).not.toHaveBeenCalled();
  });

  test('is told once of what the kernel refuses, and goes on', async () => {
    const userTimeout = 18;
    const onError = vi.fn<OnError>();
    failCallsOf(userTimeout, 1);
    const socket = net.connect(await listen(net.createServer()), '127.0.0.1');
    keepAlive(ended(socket), 'database', { onError });
    await once(socket, 'connect');
    await soonAfter();
    expect(onError.mock.calls.map(([error]) => (error as NodeJS.ErrnoException).code)).toEqual(['EPERM']);
    expect(socket.writable).toBe(true);
  });
});

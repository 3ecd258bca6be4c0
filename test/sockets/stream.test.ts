import { once } from 'node:events';
import net from 'node:net';
import { keepAliveStream, type OnError } from 'tcp-keepalive';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { getOption } from '../../native-bindings/sockopt.ts';
import { databaseInKernel } from '../helpers/hold-parts.ts';
import { listen, listenOnPath } from '../helpers/listen.ts';
import { fdOf, kernelValues } from '../helpers/raw-options.ts';

const TCP_NODELAY = { level: 6, name: 1, unit: 'none', constant: 'TCP_NODELAY' } as const;

function ended(socket: net.Socket): net.Socket {
  onTestFinished(() => void socket.destroy());
  return socket;
}

describe('for pg, which connects the socket itself', () => {
  test.each([undefined, {}, { host: 'db', port: 5432 }])('called with %j, it is not connected', (asked) => {
    const stream = keepAliveStream('database');
    const socket = ended(stream(asked));
    expect([socket.pending, socket.connecting]).toEqual([true, false]);
    expect(stream(asked)).not.toBe(socket);
  });

  test.runIf(process.platform === 'linux')('it is held', async () => {
    const socket = ended(keepAliveStream('database')());
    socket.connect(await listen(net.createServer()), '127.0.0.1');
    await once(socket, 'connect');
    socket.setKeepAlive(true, 33_000);
    expect(kernelValues(socket)).toBe(databaseInKernel);
  });
});

describe('for mysql2, which expects that it connects', () => {
  test
    .runIf(process.platform === 'linux')
    .each([
      { asked: (port: number) => ({ host: '127.0.0.1', port }) },
      { asked: (port: number) => ({ host: '127.0.0.1', port: String(port) }) },
    ])('it is held, and sends at once', async ({ asked }) => {
    const config = asked(await listen(net.createServer()));
    const socket = ended(keepAliveStream('database')({ config }));
    await once(socket, 'connect');
    expect(kernelValues(socket)).toBe(databaseInKernel);
    expect(getOption(fdOf(socket), TCP_NODELAY)).toBe(1);
  });

  test.skipIf(process.platform === 'win32')('it goes to a Unix socket, which has no options', async () => {
    const onError = vi.fn<OnError>();
    const socketPath = await listenOnPath(net.createServer());
    const socket = ended(keepAliveStream('database', { onError })({ config: { socketPath } }));
    await once(socket, 'connect');
    expect(onError.mock.calls).toEqual([[expect.objectContaining({ code: 'ERR_KEEPALIVE_NOT_TCP' })]]);
  });

  test('it goes where mysql2 goes by default', () => {
    const connect = vi.spyOn(net, 'connect').mockImplementation(() => ended(new net.Socket()));
    onTestFinished(() => connect.mockRestore());
    keepAliveStream('database')({ config: {} });
    expect(connect.mock.calls).toEqual([[3306, 'localhost']]);
  });
});

test('options are checked when it is made', () => {
  const refused = expect.objectContaining({ code: 'ERR_KEEPALIVE_INVALID_OPTION' });
  expect(() => keepAliveStream('databse' as 'database')).toThrow(refused);
  expect(() => keepAliveStream('database', { onError: 7 as never })).toThrow(refused);
});

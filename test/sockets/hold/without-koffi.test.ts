import { once } from 'node:events';
import http2 from 'node:http2';
import net from 'node:net';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { nodeTakesIntervalAndCount } from '../../../src/sockets/node-way.ts';
import type { OnError } from '../../../src/sockets/report.ts';
import { connection } from '../../helpers/connection.ts';
import { handleOf } from '../../helpers/handle-of.ts';
import { hideDescriptor, showDescriptor } from '../../helpers/hide-descriptor.ts';
import { soonAfter } from '../../helpers/hold-parts.ts';
import { listen } from '../../helpers/listen.ts';
import { missingKoffi } from '../../helpers/missing-koffi.ts';
import { packageOn } from '../../helpers/package-on.ts';
import { kernelValues } from '../../helpers/raw-options.ts';

/** What Node's own call makes of the preset `database`. */
const databaseByNode = nodeTakesIntervalAndCount ? '1:10/5/3 0' : '1:10/1/10 0';

/** The package where koffi is missing; its one warning is kept out of the output. */
async function withoutKoffi(): Promise<typeof import('../../../src/index.ts')> {
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
  onTestFinished(() => warn.mockRestore());
  missingKoffi(new Error("Cannot find module 'koffi'"));
  return packageOn('linux');
}

/** Both ends of an HTTP/2 connection, each with the socket that its session stands before. */
async function http2Pair(): Promise<{ session: http2.Http2Session; socket: net.Socket }[]> {
  const server = http2.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  const accepted = Promise.all([once(server, 'connection'), once(server, 'session')]);
  const socket = net.connect(port, '127.0.0.1');
  const session = http2.connect(`http://127.0.0.1:${port}`, { createConnection: () => socket });
  onTestFinished(() => {
    session.destroy();
    server.close();
  });
  await once(session, 'connect');
  const [[atServer], [serverSession]] = await accepted;
  return [
    { session, socket },
    { session: serverSession, socket: atServer },
  ];
}

describe.runIf(process.platform === 'linux')('a hold by Node’s own call', () => {
  test('is there as soon as the connection is, and on the next connection too', async () => {
    const { keepAlive } = await withoutKoffi();
    const port = await listen(net.createServer());
    const socket = keepAlive(new net.Socket(), 'database');
    socket.on('connect', () => socket.setKeepAlive(true, 33_000));
    for (let i = 0; i < 2; i++) {
      socket.connect(port, '127.0.0.1');
      await once(socket, 'connect');
      await soonAfter();
      expect(kernelValues(socket)).toBe(databaseByNode);
      socket.destroy();
      await once(socket, 'close');
    }
  });

  test('is not written again on the same connection, since nothing can be read back', async () => {
    const { keepAlive } = await withoutKoffi();
    const port = await listen(net.createServer());
    const socket = net.connect(port, '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    let calls: unknown[][] = [];
    socket.prependListener('connect', () => {
      calls = vi.spyOn(handleOf(socket), 'setKeepAlive').mock.calls;
    });
    keepAlive(socket, 'database');
    await once(socket, 'connect');
    const atConnect = calls.length;
    expect(atConnect).toBeGreaterThan(0);
    await soonAfter();
    expect(calls.length).toBe(atConnect);
  });

  test('gives way to another, also with what a driver asked for in vain', async () => {
    const { keepAlive } = await withoutKoffi();
    const socket = await connection();
    keepAlive(socket, { initialDelay: 10_000 });
    socket.setKeepAlive(true, 33_000);
    expect(kernelValues(socket)).toBe('1:10/1/10 0');
    keepAlive(socket, { initialDelay: 33_000 });
    expect(kernelValues(socket)).toBe('1:33/1/10 0');
    socket.setKeepAlive(false);
    keepAlive(socket, { enable: false });
    expect(kernelValues(socket)).toBe('0:33/1/10 0');
  });

  test('of some fields lets the driver’s call pass, and reports nothing', async () => {
    const { keepAlive } = await withoutKoffi();
    const socket = await connection();
    const onError = vi.fn<OnError>();
    keepAlive(socket, { userTimeout: 5_000 }, { onError });
    socket.setKeepAlive(true, 33_000);
    expect(kernelValues(socket)).toBe('1:33/1/10 0');
    expect(onError).not.toHaveBeenCalled();
  });

  test.each(['setKeepAlive', 'keepAlive'] as const)(
    '%s takes the sockets of http2 sessions, a client’s and a server’s, without a descriptor too',
    async (name) => {
      const library = await withoutKoffi();
      for (const { session, socket } of await http2Pair()) {
        if (name === 'setKeepAlive') hideDescriptor(socket);
        library[name](session.socket as net.Socket, 'database');
        if (name === 'setKeepAlive') showDescriptor(socket);
        expect(kernelValues(socket)).toBe(databaseByNode);
      }
    },
  );

  test('ends', async () => {
    const { keepAlive } = await withoutKoffi();
    const socket = await connection();
    keepAlive(keepAlive(socket, 'database'), false);
    socket.setKeepAlive(true, 33_000);
    expect(kernelValues(socket)).toBe('1:33/1/10 0');
  });
});

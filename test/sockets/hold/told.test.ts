import { once } from 'node:events';
import net from 'node:net';
import { keepAlive, type OnError, setKeepAlive } from 'tcp-keepalive';
import { expect, onTestFinished, test, vi } from 'vitest';
import { loadLibc } from '../../../native-bindings/libc.ts';
import { tcpInfoLayout } from '../../../native-bindings/tcp-info.ts';
import { type MarkedHandle, PORT } from '../../../src/sockets/hold-record.ts';
import { reaper } from '../../../src/sockets/watched.ts';
import { connection, unixConnection } from '../../helpers/connection.ts';
import { handleOf } from '../../helpers/handle-of.ts';
import { heard } from '../../helpers/heard.ts';
import { hideDescriptor, showDescriptor } from '../../helpers/hide-descriptor.ts';
import { databaseInKernel, soonAfter } from '../../helpers/hold-parts.ts';
import { listen, untilFinished } from '../../helpers/listen.ts';
import { kernelValues, writeRaw } from '../../helpers/raw-options.ts';

function socketUntilFinished(): net.Socket {
  const socket = new net.Socket();
  onTestFinished(() => void socket.destroy());
  return socket;
}

const port = () => listen(untilFinished(net.createServer()));

test('those who listen are told of a hold, and the reaper of its connection', async () => {
  const messages = heard('set');
  const socket = keepAlive(await connection(), 'database');
  expect(messages.of(socket)).toMatchObject([{ held: true, by: { name: 'keepAlive' } }]);
  expect(reaper().watched).toContain(handleOf(socket));
});

test('they are told of what a hold could not set', async () => {
  const messages = heard('skipped');
  const onError = vi.fn<OnError>();
  const socket = keepAlive(await unixConnection(), 'database', { onError });
  expect(onError).toHaveBeenCalledOnce();
  expect(messages.of(socket)).toMatchObject([{ error: onError.mock.calls[0]?.[0] }]);
});

test('a reaper does not look at what only Node can reach', async () => {
  const socket = await connection();
  hideDescriptor(socket);
  keepAlive(socket, { initialDelay: 10_000 }, { onError() {} });
  expect(reaper().watched).not.toContain(handleOf(socket));
});

test('where an attempt goes is noted', async () => {
  const socket = keepAlive(socketUntilFinished(), 'database');
  const target = await port();
  socket.connect(target, '127.0.0.1');
  await once(socket, 'connect');
  expect((handleOf(socket) as MarkedHandle)[PORT]).toBe(target);
});

test('what is written past the handle at connect is written over, and told', async () => {
  const messages = heard('restored');
  const [socket, other] = [0, 1].map(() => keepAlive(socketUntilFinished(), 'database')) as [
    net.Socket,
    net.Socket,
  ];
  socket.on('connect', () => writeRaw(socket, 'interval', 1));
  for (const each of [socket, other]) {
    each.connect(await port(), '127.0.0.1');
    await once(each, 'connect');
  }
  await soonAfter();
  expect(kernelValues(socket)).toBe(databaseInKernel);
  expect(messages.of(socket)).toMatchObject([{ reached: true }]);
  expect(messages.of(other)).toEqual([]);
});

test('a socket that is destroyed at its connect is no failure', async () => {
  const onError = vi.fn<OnError>();
  const socket = keepAlive(socketUntilFinished(), 'database', { onError });
  socket.connect(await port(), '127.0.0.1', () => socket.destroy());
  await once(socket, 'close');
  await soonAfter();
  expect(onError).not.toHaveBeenCalled();
});

test('nor is one that connects again from there', async () => {
  const onError = vi.fn<OnError>();
  const socket = keepAlive(socketUntilFinished(), 'database', { onError });
  const target = await port();
  socket.connect(target, '127.0.0.1');
  await once(socket, 'connect');
  const again = once(socket.destroy().connect(target, '127.0.0.1'), 'connect');
  await soonAfter();
  await again;
  expect(onError).not.toHaveBeenCalled();
});

test.runIf(process.platform === 'linux')(
  'a new connection is not asked for how long it was silent',
  async () => {
    const socket = keepAlive(socketUntilFinished(), 'database');
    socket.connect(await port(), '127.0.0.1');
    // Its attempt cannot be reached, as on a runtime that shows no descriptor before the connection is made.
    hideDescriptor(socket);
    socket.prependOnceListener('connect', () => showDescriptor(socket));
    const asked = vi.spyOn(loadLibc(), 'getsockopt');
    await once(socket, 'connect');
    const names = asked.mock.calls.map(([, , name]) => name);
    asked.mockRestore();
    expect(kernelValues(socket)).toBe(databaseInKernel);
    expect(names).not.toContain(tcpInfoLayout.name);
  },
);

test('a hold that has ended is not begun again by setKeepAlive', async () => {
  const socket = keepAlive(keepAlive(await connection(), 'database'), false);
  setKeepAlive(socket, 'database');
  socket.setKeepAlive(true, 33_000);
  expect(kernelValues(socket)).toMatch(/^1:33\//);
});

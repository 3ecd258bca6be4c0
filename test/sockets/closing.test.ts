import { once } from 'node:events';
import net from 'node:net';
import { constants } from 'node:os';
import tls from 'node:tls';
import { installKeepAlive, keepAlive, keepAliveFor } from 'tcp-keepalive';
import { describe, expect, test, vi } from 'vitest';
import { watchClosing } from '../../src/sockets/closing.ts';
import { readError } from '../../src/sockets/ending.ts';
import { noteGiven } from '../../src/sockets/given.ts';
import { EXPLICIT, type MarkedHandle } from '../../src/sockets/hold-record.ts';
import { reaper } from '../../src/sockets/watched.ts';
import { connection, pair, unixConnection } from '../helpers/connection.ts';
import { handleOf } from '../helpers/handle-of.ts';
import { heard } from '../helpers/heard.ts';

const timedOut = () => readError(-constants.errno.ETIMEDOUT);
const monitors = () => process.listenerCount('uncaughtExceptionMonitor');

async function held(): Promise<net.Socket> {
  return keepAlive((await pair()).client, 'database');
}

/** Destroys a socket, and waits for its end. */
function destroyed(socket: net.Socket, error?: Error): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()).destroy(error));
}

test('a connection that is closed because another fails has not failed itself', async () => {
  const before = monitors();
  const { client, server } = await pair();
  const held = keepAlive(await connection(), 'database');
  const destroy = client._destroy.bind(client);
  client._destroy = (error, done) => {
    held.destroy();
    destroy(error, done);
  };
  client.resume();
  server.resetAndDestroy();
  const [error] = await once(client, 'error');
  expect(error).toMatchObject({ code: 'ECONNRESET' });
  expect(held.destroyed).toBe(true);
  // Whoever has something to tell listens here.
  expect(monitors()).toBe(before);
});

test('a connection has failed if TLS that was started on it has', async () => {
  const before = monitors();
  const { client, server } = await pair();
  const over = tls.connect({ socket: keepAlive(client, 'database') });
  const failed = once(over, 'error');
  await once(server, 'readable');
  server.resetAndDestroy();
  expect(await failed).toMatchObject([{ code: 'ECONNRESET' }]);
  expect(monitors()).toBe(before + 1);
});

describe('the loss of a connection', () => {
  test('without a hold is announced, and leaves the process as it is', async () => {
    const before = monitors();
    const lost = heard('lost');
    const { server } = await pair();
    const owner = { released: false, name: 'keepAliveServer' };
    noteGiven(server, { settings: {}, rank: EXPLICIT, onError: undefined, owner, listens: false });
    await destroyed(server, timedOut());
    expect(lost.of(server)).toHaveLength(1);
    expect(monitors()).toBe(before);
  });

  test('with a hold is announced once, and noted in case that nobody hears of it', async () => {
    const lost = heard('lost');
    const [socket, other] = [await held(), await held()];
    const error = timedOut();
    // A pipeline ends its other sockets with the same error.
    await destroyed(socket, error);
    await destroyed(other, error);
    expect(lost.all).toMatchObject([{ socket, error, by: { name: 'keepAlive' } }]);
    expect(monitors()).toBeGreaterThan(0);
  });

  test('is none without an error, or once its hold has ended', async () => {
    const lost = heard('lost');
    const [first, second] = [await held(), await held()];
    await destroyed(first);
    keepAlive(second, false);
    await destroyed(second, timedOut());
    const { client, server } = await pair();
    const uninstall = installKeepAlive([{ port: Number(client.remotePort), use: 'database' }]);
    const ruled = net.connect(Number(client.remotePort), '127.0.0.1').on('error', () => {});
    await once(ruled, 'connect');
    uninstall();
    await destroyed(ruled, timedOut());
    server.destroy();
    expect(lost.all).toEqual([]);
  });
});

describe('a reaper forgets a connection', () => {
  test.each(['destroy', 'resetAndDestroy'] as const)('that its program ends by %s', async (end) => {
    const socket = await held();
    const handle = handleOf(socket) as MarkedHandle;
    expect(reaper().watched).toContain(handle);
    socket[end]();
    // resetAndDestroy() waits for a turn if something is being written.
    await new Promise((resolve) => socket.once('close', resolve));
    expect(reaper().watched).not.toContain(handle);
  });
});

describe('on a handle', () => {
  test('the functions of another tool stay', async () => {
    const { client } = await pair();
    const handle = handleOf(client) as MarkedHandle;
    const [close, reset] = [vi.fn(handle.close), vi.fn(handle.reset)];
    Object.assign(handle, { close, reset });
    keepAlive(client, 'database');
    expect([handle.close, handle.reset]).toEqual([close, reset]);
    client.destroy();
    expect(close).toHaveBeenCalledOnce();
  });

  test('without a reset there is none afterwards', async () => {
    const handle = handleOf(await unixConnection()) as MarkedHandle;
    watchClosing(handle);
    expect(Object.hasOwn(handle, 'close')).toBe(true);
    expect(handle.reset).toBeUndefined();
  });

  test('closing closes the connection, with what Node passes on', async () => {
    const { client, server } = await pair();
    keepAliveFor('my-client', client, 'database');
    const ended = new Promise((resolve) => server.once('end', resolve).resume());
    const called = vi.fn();
    (handleOf(client) as MarkedHandle).close?.(called);
    await ended;
    await vi.waitFor(() => expect(called).toHaveBeenCalledOnce());
  });
});

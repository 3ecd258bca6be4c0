import { once } from 'node:events';
import net from 'node:net';
import { constants } from 'node:os';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { loadLibc } from '../../native-bindings/libc.ts';
import { hasError, peek, takeError } from '../../src/kernel/unread.ts';
import { listen, untilFinished } from '../helpers/listen.ts';
import { PATIENCE } from '../helpers/patience.ts';
import { fdOf } from '../helpers/raw-options.ts';

const { EAGAIN, ECONNRESET } = constants.errno;

/** Both ends of a connection, and the descriptor of one from which Node does not read. */
async function unread() {
  const listener = untilFinished(net.createServer({ pauseOnConnect: true }));
  const peer = net.connect(await listen(listener), '127.0.0.1');
  onTestFinished(() => void peer.destroy());
  const [socket] = (await once(listener, 'connection')) as [net.Socket];
  const fd = fdOf(socket);
  // What a call before has left in memory must not matter.
  loadLibc().bytes.fill(0xff);
  return { peer, socket, fd };
}

describe.runIf(process.platform === 'linux')('of a connection that nobody reads from', () => {
  test('nothing is found if nothing has come', async () => {
    const { fd } = await unread();
    expect(peek(fd)).toBe(-EAGAIN);
    expect([hasError(fd), takeError(fd)]).toEqual([false, 0]);
  });

  test('bytes are found, and stay to be read', async () => {
    const { peer, socket, fd } = await unread();
    peer.end('two');
    await vi.waitFor(() => expect(peek(fd)).toBe(1), PATIENCE);
    expect(peek(fd)).toBe(1);
    expect(hasError(fd)).toBe(false);
    const [bytes] = await once(socket.resume(), 'data');
    expect(String(bytes)).toBe('two');
  });

  test('the end is found, which is no error', async () => {
    const { peer, socket, fd } = await unread();
    peer.end();
    await vi.waitFor(() => expect(peek(fd)).toBe(0), PATIENCE);
    // Both directions have ended then, which poll tells too.
    socket.end();
    await once(socket, 'finish');
    expect([hasError(fd), takeError(fd), peek(fd)]).toEqual([false, 0, 0]);
  });

  test('an error is found, which peeking takes', async () => {
    const { peer, fd } = await unread();
    peer.resetAndDestroy();
    await vi.waitFor(() => expect(hasError(fd)).toBe(true), PATIENCE);
    expect(hasError(fd)).toBe(true);
    expect(peek(fd)).toBe(-ECONNRESET);
    expect([hasError(fd), peek(fd)]).toEqual([false, 0]);
  });

  test('an error is found behind bytes, and is taken only if it is asked for', async () => {
    const { peer, fd } = await unread();
    peer.write('before it');
    await vi.waitFor(() => expect(peek(fd)).toBe(1), PATIENCE);
    peer.resetAndDestroy();
    await vi.waitFor(() => expect(hasError(fd)).toBe(true), PATIENCE);
    expect([peek(fd), hasError(fd)]).toEqual([1, true]);
    expect(takeError(fd)).toBe(-ECONNRESET);
    expect([takeError(fd), hasError(fd)]).toEqual([0, false]);
  });
});

import { once } from 'node:events';
import net from 'node:net';

// Below the length of the peer's accept queue.
const AT_ONCE = 500;

/** Connects to the peer until there are as many sockets as asked for. */
export async function connectMany(port: number, count: number): Promise<net.Socket[]> {
  const sockets: net.Socket[] = [];
  while (sockets.length < count) {
    const batch = Array.from({ length: Math.min(AT_ONCE, count - sockets.length) }, () =>
      net.connect(port, '127.0.0.1'),
    );
    await Promise.all(batch.map((socket) => once(socket, 'connect')));
    sockets.push(...batch);
  }
  return sockets;
}

/** Ends connections without leaving their ports waiting, and waits until they are gone. */
export async function resetAll(sockets: readonly net.Socket[]): Promise<void> {
  await Promise.all(
    sockets.map(async (socket) => {
      const closed = once(socket, 'close');
      socket.resetAndDestroy();
      await closed;
    }),
  );
}

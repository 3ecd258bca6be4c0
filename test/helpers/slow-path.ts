import { once } from 'node:events';
import net from 'node:net';

/** A slow path to a server on loopback. */
export interface SlowPath {
  readonly port: number;
  /** When it last delivered bytes, by `performance.now()`. */
  readonly lastDelivery: number;
  /** From now on it delivers nothing, but keeps all connections open. */
  stall(): void;
  close(): void;
}

/** Starts a proxy that limits the bytes a second, for each connection and direction. */
export async function slowPath(target: { port: number }, bytesPerSecond: number): Promise<SlowPath> {
  const sockets = new Set<net.Socket>();
  let isStalled = false;
  let lastDelivery = performance.now();

  const carry = (from: net.Socket, to: net.Socket) => {
    sockets.add(from);
    from.on('error', () => {});
    from.once('close', () => {
      sockets.delete(from);
      to.destroy();
    });
    from.on('data', (chunk) => {
      from.pause();
      if (isStalled) return;
      to.write(chunk);
      lastDelivery = performance.now();
      setTimeout(() => from.resume(), (1_000 * chunk.length) / bytesPerSecond);
    });
  };
  const listener = net.createServer((near) => {
    const far = net.connect(target.port, '127.0.0.1');
    carry(near, far);
    carry(far, near);
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  return {
    port: (listener.address() as net.AddressInfo).port,
    get lastDelivery() {
      return lastDelivery;
    },
    stall() {
      isStalled = true;
    },
    close() {
      for (const socket of sockets) socket.destroy();
      listener.close();
    },
  };
}

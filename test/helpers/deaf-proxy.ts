import { once } from 'node:events';
import net from 'node:net';
import { comeBack, goDark } from './go-dark.ts';

/** A TCP proxy on loopback that can vanish for its clients. */
export interface DeafProxy {
  readonly port: number;
  /** The sockets of the clients connected at the moment, as the proxy sees them. */
  readonly connections: ReadonlySet<net.Socket>;
  /**
   * From now on its clients receive nothing: no new data, no ACK, no reset, no answer to a SYN. But data that
   * they have not acknowledged yet is sent again and received: wait for their ACKs first.
   */
  vanish(): void;
  /** The proxy returns, with the same connections. Data that was on its way is delivered late, as by TCP. */
  comeBack(): void;
  close(): Promise<void>;
}

/** Starts a proxy in front of a server. The clients' own sockets are never touched. */
export async function deafProxy(target: { host?: string; port: number }): Promise<DeafProxy> {
  const upstreams = new Map<net.Socket, net.Socket>();
  const connections = new Set<net.Socket>();
  const listener = net.createServer((client) => {
    connections.add(client);
    const upstream = net.connect(target.port, target.host ?? '127.0.0.1');
    upstreams.set(client, upstream);
    join(client, upstream);
    client.once('close', () => {
      connections.delete(client);
      upstreams.delete(client);
    });
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');

  return {
    port: (listener.address() as net.AddressInfo).port,
    connections,
    vanish() {
      goDark(listener, ...connections);
      // A deaf socket can still speak, and the server's answers would reach the client.
      for (const upstream of upstreams.values()) upstream.pause();
    },
    comeBack() {
      comeBack(listener, ...connections);
      for (const upstream of upstreams.values()) upstream.resume();
    },
    async close() {
      for (const [client, upstream] of upstreams) {
        client.destroy();
        upstream.destroy();
      }
      listener.close();
      await once(listener, 'close');
    },
  };
}

function join(one: net.Socket, other: net.Socket): void {
  one.pipe(other).pipe(one);
  for (const [socket, peer] of [
    [one, other],
    [other, one],
  ] as const) {
    socket.on('error', () => {}); // What happened to one end, the other hears as a close.
    socket.once('close', () => peer.destroy());
  }
}

import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import type { KeepAliveSettings } from '../../../options/options.ts';
import { installKeepAlive } from '../../../rules/install.ts';
import { getKeepAlive } from '../../../sockets/get.ts';
import { setKeepAlive } from '../../../sockets/set.ts';

/** Options that the kernel reports for sockets on the loopback interface. */
export interface MeasuredSockets {
  /** After `socket.setKeepAlive(true)`. */
  readonly bare: KeepAliveSettings;
  /** After `socket.setKeepAlive(true, 60_000)`. */
  readonly delayed: KeepAliveSettings;
  /** Of Node's own http agent, once the socket waits for its next request. */
  readonly agent: KeepAliveSettings;
  /** After this library's `setKeepAlive(socket, 'database')`. */
  readonly ours: KeepAliveSettings;
}

/** Opens connections to a server on a free port, and reads their options back. */
export async function measureSockets(): Promise<MeasuredSockets> {
  const server = http.createServer((_request, response) => response.end());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  // The rules that this process may be under are not for the sockets on which Node is measured.
  const uninstall = installKeepAlive([{ port, use: false }]);
  try {
    return {
      bare: await onSocket(port, (socket) => socket.setKeepAlive(true)),
      delayed: await onSocket(port, (socket) => socket.setKeepAlive(true, 60_000)),
      agent: await onAgent(port),
      ours: await onSocket(port, (socket) => setKeepAlive(socket, 'database')),
    };
  } finally {
    uninstall();
    server.close();
    server.closeAllConnections();
  }
}

async function onSocket(port: number, set: (socket: net.Socket) => unknown): Promise<KeepAliveSettings> {
  const socket = net.connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    set(socket);
    return getKeepAlive(socket);
  } finally {
    socket.destroy();
  }
}

async function onAgent(port: number): Promise<KeepAliveSettings> {
  // Made like http.globalAgent, which is not used itself because it is shared.
  const agent = new http.Agent({ keepAlive: true });
  try {
    const freed = once(agent, 'free') as Promise<[net.Socket]>;
    http.get({ port, host: '127.0.0.1', agent }, (response) => response.resume());
    const [socket] = await freed;
    return getKeepAlive(socket);
  } finally {
    agent.destroy();
  }
}

// How do I notice a peer whose kernel answers, but whose process hangs? With a ping of the application's own.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { pathToFileURL } from 'node:url';
import { heartbeatWs } from 'tcp-keepalive/heartbeat';
import { keepAliveWs } from 'tcp-keepalive/ws';
import { WebSocket, WebSocketServer } from 'ws';

export async function main(): Promise<void> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;

  // Both layers: the kernel notices a machine that is gone, the ping a process that hangs.
  const socket = keepAliveWs(new WebSocket(`ws://127.0.0.1:${port}`), 'websocket');
  await once(socket, 'open');
  const beating = heartbeatWs(socket, { every: 1_000, timeout: 1_000 });

  while (beating.roundTrip === undefined) await once(socket, 'pong');
  console.log(`The server answers a ping in ${beating.roundTrip.toFixed(1)} ms.`);

  beating.stop();
  socket.terminate();
  server.close();
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();

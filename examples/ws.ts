// How do both ends of a WebSocket notice that the other has vanished?
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { pathToFileURL } from 'node:url';
import { getKeepAlive } from 'tcp-keepalive';
import { keepAliveWs } from 'tcp-keepalive/ws';
import { WebSocket, WebSocketServer } from 'ws';

export async function main(): Promise<void> {
  const server = keepAliveWs(new WebSocketServer({ port: 0, host: '127.0.0.1' }), 'websocket');
  server.on('connection', (_, { socket }) => console.log('the server holds', getKeepAlive(socket)));
  await once(server, 'listening');

  // The handshake has a bound of its own, which ws leaves off by default.
  const { port } = server.address() as AddressInfo;
  const client = new WebSocket(`ws://127.0.0.1:${port}`, { handshakeTimeout: 10_000 });
  keepAliveWs(client, 'websocket').on('upgrade', ({ socket }) => {
    console.log('the client holds', getKeepAlive(socket));
  });
  await once(client, 'open');

  client.close();
  await once(client, 'close');
  server.close();
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();

// How does a server get rid of clients that have vanished? Its connections inherit from the listener.
import { once } from 'node:events';
import http from 'node:http';
import type net from 'node:net';
import { pathToFileURL } from 'node:url';
import { getKeepAlive, keepAliveServer } from 'tcp-keepalive';

export async function main(): Promise<void> {
  const server = http.createServer((request, response) => {
    response.end(JSON.stringify(getKeepAlive(request.socket)));
  });
  // Before or after listen(); net, tls, http and https servers alike.
  keepAliveServer(server, 'websocket').listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;

  const response = await fetch(`http://127.0.0.1:${port}`);
  console.log('an accepted connection:', await response.json());

  server.close();
  server.closeAllConnections();
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();

// How does an HTTP client notice a vanished server, and the server a vanished client?
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';
import { getKeepAlive } from 'tcp-keepalive';
import { keepAliveHttp } from 'tcp-keepalive/http';

export async function main(): Promise<void> {
  // Each connection that the server accepts has them from its first byte.
  const server = keepAliveHttp(http.createServer(answer), 'loadBalancer').listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;

  // Each connection of the agent keeps them, over what Node sets when it becomes idle.
  const agent = keepAliveHttp(new http.Agent({ keepAlive: true }), 'fastFailover');
  const [response] = await once(http.get({ port, agent }), 'response');
  console.log('the agent holds', getKeepAlive(response.socket));
  console.log(await text(response));

  agent.destroy();
  server.close();
}

function answer(request: http.IncomingMessage, response: http.ServerResponse): void {
  response.end(`the server holds ${JSON.stringify(getKeepAlive(request.socket))}`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();

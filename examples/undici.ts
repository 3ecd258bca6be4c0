// How does `fetch` notice within seconds that the server has vanished?
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { pathToFileURL } from 'node:url';
import { keepAliveUndici } from 'tcp-keepalive/undici';
import { Agent, fetch } from 'undici';

export async function main(): Promise<void> {
  const server = http.createServer((_, response) => response.end('hello')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;

  // For every fetch of a process, Node's own too: setGlobalDispatcher(dispatcher). As `dispatcher` it is
  // for undici's fetch: Node's own refuses the agent of an undici that is too new for it.
  const dispatcher = new Agent(keepAliveUndici({ connections: 10 }, 'fastFailover'));
  const response = await fetch(`http://127.0.0.1:${port}`, { dispatcher });
  console.log(response.status, await response.text());

  await dispatcher.close();
  server.close();
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();

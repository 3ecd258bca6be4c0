// How do both ends of an HTTP/2 session notice that the other has vanished?
import { once } from 'node:events';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';
import { getKeepAlive } from 'tcp-keepalive';
import { keepAliveHttp2 } from 'tcp-keepalive/http2';

export async function main(): Promise<void> {
  const server = keepAliveHttp2(http2.createServer(), 'loadBalancer').listen(0, '127.0.0.1');
  server.on('session', ({ socket }) => console.log('the server holds', getKeepAlive(socket)));
  server.on('stream', (stream) => stream.end('hello'));
  await once(server, 'listening');

  const session = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  keepAliveHttp2(session, 'fastFailover');
  console.log(await text(session.request()));
  console.log('the client holds', getKeepAlive(session.socket));

  session.close();
  server.close();
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();

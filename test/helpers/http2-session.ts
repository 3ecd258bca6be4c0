import { once } from 'node:events';
import http2 from 'node:http2';
import type net from 'node:net';
import type { KeepAliveInput } from 'tcp-keepalive';
import { keepAliveHttp2 } from 'tcp-keepalive/http2';
import { portOf } from './listen.ts';

/** A session of http2 with its options, the port that it goes to, and the server's end of its connection. */
export async function http2Session(
  options: KeepAliveInput,
  onTestFinished: (close: () => void) => void,
): Promise<{ session: http2.ClientHttp2Session; socket: net.Socket; port: number }> {
  const server = http2.createServer();
  const accepted = once(server, 'connection') as Promise<[net.Socket]>;
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const port = portOf(server);
  const session = keepAliveHttp2(http2.connect(`http://127.0.0.1:${port}`), options);
  await once(session, 'connect');
  const [socket] = await accepted;
  onTestFinished(() => {
    session.destroy();
    socket.destroy();
    server.close();
  });
  return { session, socket, port };
}

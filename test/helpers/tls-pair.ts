import { once } from 'node:events';
import type net from 'node:net';
import type { Duplex } from 'node:stream';
import tls from 'node:tls';
import { certificate, certificateKey } from './test-certificate.ts';

export interface TlsPair {
  /** The end under test. */
  client: tls.TLSSocket;
  /** The accepted end. */
  server: tls.TLSSocket;
  /** Destroys both ends and closes the listener. */
  close(): Promise<void>;
}

/** Two TLS sockets on loopback after their handshake. The client may use a stream of the caller. */
export async function tlsPair(host = '127.0.0.1', under?: (port: number) => Duplex): Promise<TlsPair> {
  const listener = tls.createServer({ cert: certificate, key: certificateKey });
  listener.listen(0, host);
  await once(listener, 'listening');
  const { port } = listener.address() as net.AddressInfo;
  const accepted = once(listener, 'secureConnection') as Promise<[tls.TLSSocket]>;
  const to = under === undefined ? { port, host } : { socket: under(port) };
  const client = tls.connect({ ...to, ca: certificate, servername: 'localhost' });
  // A test asserts the errors that it is about; others must not end the process.
  client.on('error', () => {});
  await once(client, 'secureConnect');
  const [server] = await accepted;
  server.on('error', () => {});
  return {
    client,
    server,
    async close() {
      client.destroy();
      server.destroy();
      listener.close();
      await once(listener, 'close');
    },
  };
}

import { once } from 'node:events';
import net from 'node:net';

export interface ConnectedPair {
  /** The end under test. */
  client: net.Socket;
  /** The accepted end. */
  server: net.Socket;
  /** Destroys both ends and closes the listener. */
  close(): Promise<void>;
}

/** Two connected TCP sockets on loopback, on a free port. */
export async function connectedPair(host = '127.0.0.1'): Promise<ConnectedPair> {
  const listener = net.createServer();
  listener.listen(0, host);
  await once(listener, 'listening');
  const { port } = listener.address() as net.AddressInfo;
  const accepted = once(listener, 'connection') as Promise<[net.Socket]>;
  const client = net.connect(port, host);
  await once(client, 'connect');
  const [server] = await accepted;
  // A test asserts the errors that it is about; others must not end the process.
  client.on('error', () => {});
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

// How do I notice within half a minute that a peer has vanished? With one line on the socket.
import { once } from 'node:events';
import net from 'node:net';
import { pathToFileURL } from 'node:url';
import { keepAlive } from 'tcp-keepalive';
import { predictDetection } from 'tcp-keepalive/predict';

export async function main(): Promise<void> {
  const { server, port } = await startBackend();

  // Now, or as here as soon as it connects; and they stay, whatever resets them later.
  const socket = keepAlive(net.connect(port, '127.0.0.1'), 'database');
  // A vanished peer surfaces here, as ETIMEDOUT. Without a listener it would end the process.
  socket.on('error', (error) => console.error('lost:', error.message));
  await once(socket, 'connect');

  const { idle } = predictDetection('database');
  console.log(`If ${socket.remoteAddress} vanishes, this socket is told within ${idle.latest} ms.`);

  socket.end();
  server.close();
}

/** Stands in for the database, queue or service at the other end. */
async function startBackend(): Promise<{ server: net.Server; port: number }> {
  const server = net.createServer((accepted) => accepted.resume()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: (server.address() as net.AddressInfo).port };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();

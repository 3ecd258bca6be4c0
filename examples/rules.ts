// How do I cover every connection of a process, whoever opens it? With rules.
import { once } from 'node:events';
import net from 'node:net';
import { pathToFileURL } from 'node:url';
import { getKeepAlive, installKeepAlive } from 'tcp-keepalive';

export async function main(): Promise<void> {
  const server = net.createServer((accepted) => accepted.resume()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;

  const uninstall = installKeepAlive([
    { side: 'client', port, use: 'database' },
    { side: 'client', use: 'loadBalancer' },
  ]);

  // Any library's connection, which knows nothing of it, and resets what others set.
  const socket = net.connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.setKeepAlive(true, 60_000);
  console.log(`A connection to port ${port} has`, getKeepAlive(socket));

  uninstall();
  socket.destroy();
  server.close();
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();

// What did the kernel take, and who has changed it since? Read it back from the connection itself.
import { once } from 'node:events';
import net from 'node:net';
import { pathToFileURL } from 'node:url';
import { getKeepAlive, getTcpInfo, keepAlive, presets, setKeepAlive } from 'tcp-keepalive';

export async function main(): Promise<void> {
  const server = net.createServer((accepted) => accepted.resume()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  const socket = net.connect(port, '127.0.0.1');
  socket.on('error', (error) => console.error('lost:', error.message));
  await once(socket, 'connect');
  console.log('as the system has it:', getKeepAlive(socket));

  const { skipped, ...written } = setKeepAlive(socket, {
    ...presets.database,
    count: 5,
    userTimeout: 'auto',
  });
  console.log('written:', written, `skipped on this system: ${skipped ?? 'nothing'}`);

  socket.setKeepAlive(true, 60_000);
  console.log("after Node's own setKeepAlive:", getKeepAlive(socket));

  keepAlive(socket, 'database');
  socket.setKeepAlive(true, 30_000);
  console.log('the same with a hold:', getKeepAlive(socket));

  if (process.platform === 'linux') {
    const { state, probes, lastAckReceived } = getTcpInfo(socket);
    console.log(`${state}: ${probes} probes unanswered, last heard of ${lastAckReceived} ms ago`);
  }

  socket.end();
  server.close();
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();

// How does Prometheus learn which connections were lost, and after how long?
import { once } from 'node:events';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { pathToFileURL } from 'node:url';
import { Registry } from 'prom-client';
import { keepAlive } from 'tcp-keepalive';
import { collectKeepAlive } from 'tcp-keepalive/prometheus';

export async function main(): Promise<void> {
  // At the start of the program: counting begins here. With prom-client's own `register` it is one line.
  const register = new Registry();
  const stop = collectKeepAlive(register);

  const peer = net.createServer((socket) => socket.resume()).listen(0, '127.0.0.1');
  const metrics = http.createServer(async (_, response) => response.end(await register.metrics()));
  metrics.listen(0, '127.0.0.1');
  await Promise.all([once(peer, 'listening'), once(metrics, 'listening')]);

  const socket = keepAlive(net.connect((peer.address() as AddressInfo).port, '127.0.0.1'), 'database');
  await once(socket, 'connect');

  const response = await fetch(`http://127.0.0.1:${(metrics.address() as AddressInfo).port}`);
  const page = await response.text();
  console.log(page.split('\n').filter((line) => line.startsWith('tcp_keepalive_connection')));

  stop();
  socket.destroy();
  peer.close();
  metrics.closeAllConnections();
  metrics.close();
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();

// Does it work with TLS? Yes: on the TLS socket or on the TCP socket under it, which is the same connection.
import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import { pathToFileURL } from 'node:url';
import { getKeepAlive, keepAlive } from 'tcp-keepalive';
// Stands in for your own server's.
import { certificate, certificateKey } from '../test/helpers/test-certificate.ts';

export async function main(): Promise<void> {
  const server = tls.createServer({ cert: certificate, key: certificateKey }, (accepted) =>
    accepted.resume(),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;

  const direct = keepAlive(tls.connect({ host: '127.0.0.1', port, ca: certificate }), 'database');
  direct.on('error', (error) => console.error('lost:', error.message));
  await once(direct, 'secureConnect');
  console.log('a TLS socket:', getKeepAlive(direct));

  // As database drivers do it: TCP first, then an upgrade. What is held below stays.
  const tcp = keepAlive(net.connect(port, '127.0.0.1'), 'database');
  tcp.on('error', () => {}); // The TLS socket tells of it too.
  await once(tcp, 'connect');
  const upgraded = tls.connect({ socket: tcp, host: '127.0.0.1', ca: certificate });
  upgraded.on('error', (error) => console.error('lost:', error.message));
  await once(upgraded, 'secureConnect');
  console.log('one that was upgraded:', getKeepAlive(upgraded));

  direct.end();
  upgraded.end();
  server.close();
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();

// How do both ends of an SSH connection notice that the other has vanished?
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { pathToFileURL } from 'node:url';
import ssh2 from 'ssh2';
import { keepAliveSsh2 } from 'tcp-keepalive/ssh2';

export async function main(): Promise<void> {
  const hostKeys = [ssh2.utils.generateKeyPairSync('ed25519').private];
  const server = new ssh2.Server({ hostKeys }, (connection) => {
    connection.on('authentication', (context) => context.accept());
    connection.on('error', (error) => console.error('a client was lost:', error.message));
  });
  keepAliveSsh2(server, 'tunnel').listen(0, '127.0.0.1');
  await once(server, 'listening');

  const client = keepAliveSsh2(new ssh2.Client(), 'tunnel');
  client.on('error', (error) => console.error('the server was lost:', error.message));
  client.connect({ host: '127.0.0.1', port: (server.address() as AddressInfo).port, username: 'someone' });
  await once(client, 'ready');
  console.log('connected');

  client.end();
  await once(client, 'close');
  server.close();
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();

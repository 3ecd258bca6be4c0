// How does an MQTT client notice a vanished broker sooner than by MQTT's own keepalive?
import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import { pathToFileURL } from 'node:url';
import { Aedes } from 'aedes';
import mqtt from 'mqtt';
import { getKeepAlive } from 'tcp-keepalive';
import { keepAliveMqtt } from 'tcp-keepalive/mqtt';

export async function main(): Promise<void> {
  const broker = await Aedes.createBroker();
  const server = net.createServer(broker.handle).listen(0, '127.0.0.1');
  await once(server, 'listening');

  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`);
  keepAliveMqtt(client, 'fastFailover').on('error', (error) => console.error('lost:', error.message));
  console.log('held', getKeepAlive(client.stream as net.Socket));

  await client.endAsync();
  broker.close();
  server.close();
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();

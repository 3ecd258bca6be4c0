// How does a RabbitMQ client notice a failover sooner than by AMQP's heartbeats?
import { pathToFileURL } from 'node:url';
import * as amqplib from 'amqplib';
import { keepAliveAmqplib } from 'tcp-keepalive/amqplib';

export async function main(): Promise<void> {
  const url = process.env.AMQP_URL ?? 'amqp://127.0.0.1';
  // Keepalive begins when the connection is open; until then this is the bound.
  const connection = await amqplib.connect(url, { timeout: 5_000 });
  keepAliveAmqplib(connection, 'database');
  connection.on('error', (error) => console.error('lost:', error.message));

  const channel = await connection.createChannel();
  console.log('a channel is open');
  await channel.close();
  await connection.close();
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();

// How does a Kafka client notice a vanished broker before its request times out?
import { pathToFileURL } from 'node:url';
import { Kafka } from 'kafkajs';
import { keepAliveKafkajs } from 'tcp-keepalive/kafkajs';

export async function main(): Promise<void> {
  const brokers = (process.env.KAFKA_BROKERS ?? '127.0.0.1:9092').split(',');
  const kafka = new Kafka(keepAliveKafkajs({ clientId: 'example', brokers }, 'database'));

  const admin = kafka.admin();
  await admin.connect();
  console.log('topics:', await admin.listTopics());
  await admin.disconnect();
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();

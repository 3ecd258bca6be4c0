// How does a BullMQ worker that waits for jobs notice that Redis is gone?
import { pathToFileURL } from 'node:url';
import { Queue, QueueEvents, Worker } from 'bullmq';
import { keepAliveBullmq } from 'tcp-keepalive/bullmq';

export async function main(): Promise<void> {
  const connection = { url: process.env.REDIS_URL ?? 'redis://127.0.0.1:6379' };
  const queue = keepAliveBullmq(new Queue('mail', { connection }), 'database');
  const events = keepAliveBullmq(new QueueEvents('mail', { connection }), 'database');
  const worker = keepAliveBullmq(new Worker('mail', async ({ name }) => name, { connection }), 'database');
  worker.on('error', (error) => console.error('lost:', error.message));

  await events.waitUntilReady();
  const job = await queue.add('welcome', { to: 'someone' });
  console.log('sent', await job.waitUntilFinished(events));
  await Promise.all([worker, events, queue].map((each) => each.close()));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();

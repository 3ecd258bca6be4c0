// How do I notice a Redis that accepts everything and answers nothing? With PING, and a new connection.
import { once } from 'node:events';
import { pathToFileURL } from 'node:url';
import { Redis } from 'ioredis';
import { heartbeatRedis } from 'tcp-keepalive/heartbeat';
import { keepAliveIoredis } from 'tcp-keepalive/ioredis';

export async function main(): Promise<void> {
  // Both layers: the kernel notices a machine that is gone, the PING a process that hangs.
  const redis = new Redis(process.env.REDIS_URL ?? 'redis://127.0.0.1:6379');
  keepAliveIoredis(redis, 'database').on('error', (error) => console.error('lost:', error.message));
  await once(redis, 'ready');
  const beating = heartbeatRedis(redis, {
    every: 1_000,
    timeout: 1_000,
    onDead: (_client, { duration }) => console.error(`silent for ${duration} ms; ioredis connects again`),
  });

  while (beating.roundTrip === undefined) await redis.set('seen', Date.now());
  console.log(`Redis answers a PING in ${beating.roundTrip.toFixed(1)} ms.`);

  beating.stop();
  await redis.quit();
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();

// How does an ioredis client notice a failover, and go on noticing after it has reconnected?
import type net from 'node:net';
import { pathToFileURL } from 'node:url';
import { Redis } from 'ioredis';
import { getKeepAlive } from 'tcp-keepalive';
import { keepAliveIoredis } from 'tcp-keepalive/ioredis';

export async function main(): Promise<void> {
  const redis = new Redis(process.env.REDIS_URL ?? 'redis://127.0.0.1:6379');
  keepAliveIoredis(redis, 'database').on('error', (error) => console.error('lost:', error.message));

  console.log(await redis.ping());
  console.log('held', getKeepAlive(redis.stream as net.Socket));
  await redis.quit();
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();

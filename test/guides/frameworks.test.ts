import { once } from 'node:events';
import net from 'node:net';
import { inspect } from 'node:util';
import { vanish, vanishingProxy } from 'tcp-keepalive/testing';
import { expect, test, vi } from 'vitest';
import { describeWhereInstalled, describeWithServer } from '../helpers/describe-with-server.ts';
import { errorOf, expectInTime, idleAMoment, quickInKernel } from '../helpers/driver-under-test.ts';
import { portOf } from '../helpers/listen.ts';
import { startMongodbStub } from '../helpers/mongodb-stub.ts';
import { kernelValues } from '../helpers/raw-options.ts';
import type { RunningServer } from '../helpers/server-process.ts';
import { mariadb } from '../helpers/start-mariadb.ts';
import { postgres } from '../helpers/start-postgres.ts';
import { packages, runProgram } from './program.ts';

// Each program of docs/guides/frameworks.md and docs/orms.md is run as it stands there, against a server that vanishes.

const guide = 'frameworks.md';
const orms = '../orms.md';

/** Every socket that this file connects. */
const opened = vi.spyOn(net.Socket.prototype, 'connect').mock.contexts as net.Socket[];

/** A request to the server that a program has connected to, and how the program ends. */
interface Connected {
  request(): Promise<unknown>;
  end(): unknown;
}

interface Queryable {
  query(sql: string): Promise<unknown>;
}

type Exports<T> = (exported: T) => Connected | Promise<Connected>;

const express: Exports<{ pool: Queryable & { end(): Promise<void> }; server: net.Server }> = ({
  pool,
  server,
}) => ({
  request: () => pool.query('SELECT 1'),
  end: () => Promise.all([pool.end(), server.close()]),
});

const nest: Exports<{ app: { get(token: unknown): Queryable; close(): Promise<void> } }> = async ({
  app,
}) => {
  const { default: pg } = await import('pg');
  return { request: () => app.get(pg.Pool).query('SELECT 1'), end: () => app.close() };
};

const next: Exports<{ pool: Queryable & { end(): Promise<void> } }> = ({ pool }) => ({
  request: () => pool.query('SELECT 1'),
  end: () => pool.end(),
});

const typeorm: Exports<{
  dataSource: Queryable & { initialize(): Promise<unknown>; destroy(): Promise<void> };
}> = async ({ dataSource }) => {
  await dataSource.initialize();
  return { request: () => dataSource.query('SELECT 1'), end: () => dataSource.destroy() };
};

const sequelize: Exports<{ sequelize: Queryable & { close(): Promise<void> } }> = ({ sequelize }) => ({
  request: () => sequelize.query('SELECT 1'),
  end: () => sequelize.close(),
});

const knex: Exports<{ db: { raw(sql: string): Promise<unknown>; destroy(): Promise<void> } }> = ({ db }) => ({
  request: () => db.raw('SELECT 1'),
  end: () => db.destroy(),
});

const kysely: Exports<{
  db: { executeQuery(query: object): Promise<unknown>; destroy(): Promise<void> };
}> = ({ db }) => ({
  request: () =>
    db.executeQuery({ sql: 'SELECT 1', parameters: [], query: { kind: 'RawNode' }, queryId: {} }),
  end: () => db.destroy(),
});

const drizzle: Exports<{
  db: { execute(sql: string): Promise<unknown>; $client: { end(): Promise<void> } };
}> = ({ db }) => ({ request: () => db.execute('SELECT 1'), end: () => db.$client.end() });

const prisma: Exports<{
  adapter: { connect(): Promise<{ queryRaw(query: object): Promise<unknown>; dispose(): Promise<void> }> };
}> = async ({ adapter }) => {
  const connected = await adapter.connect();
  return {
    request: () => connected.queryRaw({ sql: 'SELECT 1', args: [], argTypes: [] }),
    end: () => connected.dispose(),
  };
};

const pgBoss: Exports<{
  boss: { start(): Promise<unknown>; stop(options: object): Promise<void>; getQueues(): Promise<unknown> };
}> = async ({ boss }) => {
  await boss.start();
  return { request: () => boss.getQueues(), end: () => boss.stop({ graceful: false }) };
};

const mongoose: Exports<{
  connection: {
    db: { command(command: object): Promise<unknown> };
    asPromise(): Promise<unknown>;
    close(): Promise<void>;
  };
}> = async ({ connection }) => {
  await connection.asPromise();
  return { request: () => connection.db.command({ ping: 1 }), end: () => connection.close() };
};

type Programs = { page: string; heading: string; connected: Exports<never> }[];

const overBoth: Programs = [
  { page: orms, heading: 'TypeORM', connected: typeorm },
  { page: orms, heading: 'Sequelize', connected: sequelize },
  { page: orms, heading: 'Knex', connected: knex },
];

const overPostgres: Programs = [
  ...overBoth,
  { page: orms, heading: 'Kysely', connected: kysely },
  { page: orms, heading: 'Drizzle', connected: drizzle },
  { page: orms, heading: 'Prisma', connected: prisma },
  { page: guide, heading: 'Express', connected: express },
  { page: guide, heading: 'NestJS', connected: nest },
  { page: guide, heading: 'Next.js', connected: next },
  { page: guide, heading: 'pg-boss', connected: pgBoss },
];

/** What the guide says has to be changed for MySQL. */
const forMysql = {
  "type: 'postgres'": "type: 'mysql'",
  "client: 'pg'": "client: 'mysql2'",
  connectionString: 'uri',
  connectionTimeoutMillis: 'connectTimeout',
};

describeWhereInstalled(`the programs of ${guide} and ${orms}`, packages, () => {
  describeWithServer('over PostgreSQL', postgres, (server) => {
    test.concurrent.for(overPostgres)('## $heading', ({ page, heading, connected }) =>
      expectHeld(server(), async (port) => {
        const environment = { DATABASE_URL: url('postgres', server(), port), PORT: '0' };
        return connected(await runProgram(page, heading, { environment }));
      }),
    );
  });

  describeWithServer('over MariaDB', mariadb, (server) => {
    test.concurrent.for(overBoth)('## $heading', ({ page, heading, connected }) =>
      expectHeld(server(), async (port) => {
        const environment = { DATABASE_URL: url('mysql', server(), port) };
        return connected(await runProgram(page, heading, { environment, replaced: forMysql }));
      }),
    );
  });

  test('## Mongoose, with a stub of MongoDB', async () => {
    await expectHeld({ port: await startMongodbStub() }, async (port) => {
      const environment = { MONGODB_URL: `mongodb://127.0.0.1:${port}/app?retryReads=false` };
      return mongoose(
        await runProgram(guide, 'Mongoose', { environment, replaced: { 27017: String(port) } }),
      );
    });
  });

  test.concurrent.for([
    { heading: 'Express', serverOf: ({ server }: { server: net.Server }) => server },
    { heading: 'Fastify', serverOf: ({ app }: { app: { server: net.Server } }) => app.server },
    {
      heading: 'NestJS',
      serverOf: ({ app }: { app: { getHttpServer(): net.Server } }) => app.getHttpServer(),
    },
  ])(
    '## $heading: a client that vanishes is noticed in time',
    async ({ heading, serverOf }, { onTestFinished }) => {
      const server = serverOf(await runProgram<never>(guide, heading, { environment: { PORT: '0' } }));
      onTestFinished(() => void server.close());
      if (!server.listening) await once(server, 'listening');
      const accepting = once(server, 'connection') as Promise<[net.Socket]>;
      const client = net.connect(portOf(server)).on('error', () => {});
      onTestFinished(() => void client.destroy());
      const [accepted] = await accepting;
      expect(kernelValues(accepted)).toBe(quickInKernel);

      vanish(accepted);
      await expectInTime('idle', accepted, () => new Promise((resolve) => accepted.once('close', resolve)));
    },
  );
});

/** Every socket to the server has the options, and a request to a server that vanishes fails when they say so. */
async function expectHeld(
  server: { port: number },
  connect: (port: number) => Promise<Connected>,
): Promise<void> {
  const proxy = await vanishingProxy({ to: server.port });
  const { request, end } = await connect(proxy.port);
  try {
    await request();
    await idleAMoment();
    const sockets = opened.filter(({ remotePort }) => remotePort === proxy.port);
    expect(new Set(sockets.map(kernelValues))).toEqual(new Set([quickInKernel]));

    await proxy.vanish();
    const error = await expectInTime('unacknowledged', sockets.at(-1) as net.Socket, () =>
      errorOf(request()),
    );
    expect(inspect(error, { depth: 5 })).toMatch(/ETIMEDOUT|SocketTimeout/);
    await proxy.restore();
  } finally {
    await end();
    await proxy.close();
  }
}

function url(scheme: string, { user, password, host, database }: RunningServer, port: number): string {
  return `${scheme}://${user}:${password}@${host}:${port}/${database}`;
}

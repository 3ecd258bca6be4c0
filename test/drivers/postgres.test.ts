import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import tls from 'node:tls';
import postgres from 'postgres';
import { keepAlivePostgres } from 'tcp-keepalive/postgres';
import { expect, onTestFinished, test, vi } from 'vitest';
import { describeWithServer } from '../helpers/describe-with-server.ts';
import {
  connectedSockets,
  errorOf,
  expectInTime,
  idleAMoment,
  only,
  proxyTo,
  quick,
  quickInKernel,
} from '../helpers/driver-under-test.ts';
import { kernelValues } from '../helpers/raw-options.ts';
import { postgres as postgresServer } from '../helpers/start-postgres.ts';

type Config = postgres.Options<Record<string, never>>;

describeWithServer('keepAlivePostgres', postgresServer, (server) => {
  const config = (more: Config = {}): Config => {
    const { host, port, user, password, database } = server();
    return { host, port, user, password, database, max: 1, backoff: false, ...more };
  };

  const direct = () => {
    const ssl = { ca: server().tlsCa ?? '' };
    return { ...config({ host: '127.0.0.1', ssl }), sslnegotiation: 'direct' };
  };

  test.for([
    { name: 'plain', state: 'idle' },
    { name: 'plain', state: 'unacknowledged' },
    { name: 'TLS', state: 'idle' },
  ] as const)('$name: held, and a vanished server is noticed in time: $state', async ({ name, state }) => {
    const proxy = await proxyTo(server());
    const opened = connectedSockets();
    const ssl = name === 'TLS' ? { ca: server().tlsCa ?? '' } : false;
    const sql = endedAfterTest(postgres(keepAlivePostgres(config({ port: proxy.port, ssl }), quick)));
    expect(await sql`SELECT 1 AS one`).toEqual([{ one: 1 }]);
    await idleAMoment();
    await sql`SELECT 1`;
    await idleAMoment();
    // With TLS the wrapped socket has been connected too: the same connection.
    const socket = opened.to(proxy.port)[0] as net.Socket;
    expect(kernelValues(socket)).toBe(quickInKernel);

    const waiting = state === 'idle' ? errorOf(sql`SELECT pg_sleep(60)`) : undefined;
    await idleAMoment();
    await proxy.vanish();
    const error = await expectInTime(state, socket, () => waiting ?? errorOf(sql`SELECT 1`));
    expect(error.code).toBe('ETIMEDOUT');
  });

  test("TLS verifies the host's name", async () => {
    const connect = vi.spyOn(tls, 'connect');
    onTestFinished(() => connect.mockRestore());
    const ssl = { ca: server().tlsCa ?? '' };
    const sql = endedAfterTest(postgres(keepAlivePostgres(config({ host: 'localhost', ssl }), quick)));
    await sql`SELECT 1`;
    expect(connect).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ servername: 'localhost' }));
  });

  // TLS is put on the socket at once, before it is connected.
  test.for([
    { name: 'a host', own: undefined },
    {
      name: 'a name of two addresses, the first of which is down',
      own: () => net.connect({ port: server().port, host: 'localhost', lookup: lookupTwo }),
    },
  ])('direct TLS: held, $name', async ({ own }) => {
    const opened = connectedSockets();
    const sql = endedAfterTest(
      postgres(keepAlivePostgres({ ...direct(), ...(own && { socket: own }) }, quick)),
    );
    expect(await sql`SELECT 1 AS one`).toEqual([{ one: 1 }]);
    await idleAMoment();
    expect(kernelValues(opened.to(server().port)[0] as net.Socket)).toBe(quickInKernel);
  });

  test('direct TLS: a connection that cannot be made fails as without, again and again', async () => {
    const port = await closedPort();
    const sql = endedAfterTest(postgres(keepAlivePostgres({ ...direct(), port }, quick)));
    for (let round = 0; round < 2; round++) expect((await errorOf(sql`SELECT 1`)).code).toBe('ECONNREFUSED');
  });

  test("direct TLS: connecting is bounded by postgres.js's connect_timeout", async () => {
    const sockets: net.Socket[] = [];
    const socket = () => {
      // It waits for its address for ever.
      const waiting = net.connect({ port: 1, host: 'nowhere.example', lookup: () => {} });
      sockets.push(waiting);
      return waiting;
    };
    const config = { ...direct(), connect_timeout: 1, socket };
    const sql = endedAfterTest(postgres(keepAlivePostgres(config, quick)));
    expect((await errorOf(sql`SELECT 1`)).code).toBe('CONNECT_TIMEOUT');
    expect(only(sockets).destroyed).toBe(true);
  });

  test('a connection that fails at once rejects the query, and ends nothing', async () => {
    const socket = () => net.connect({ port: 1, host: '127.0.0.1', localAddress: '192.0.2.1' });
    const sql = endedAfterTest(postgres(keepAlivePostgres({ ...config(), socket }, quick)));
    for (let round = 0; round < 2; round++) expect((await errorOf(sql`SELECT 1`)).code).toBe('EADDRNOTAVAIL');
  });

  test('several hosts, with the rest in a URL: the one that is down is passed over', async () => {
    const { user, password, database, port } = server();
    const down = await closedPort();
    const opened = connectedSockets();
    const url = `postgres://${user}:${password}@127.0.0.1:${down},127.0.0.1:${port}/${database}`;
    const sql = endedAfterTest(postgres(url, keepAlivePostgres({ max: 3, backoff: false }, quick)));
    const queries = [1, 2, 3].map(() => sql`SELECT pg_sleep(0.1)`);
    await Promise.all(queries);
    expect(opened.to(port).map(kernelValues)).toEqual([quickInKernel, quickInKernel, quickInKernel]);
  });

  test('several hosts: attempts that begin apart are passed on from one that hangs', async () => {
    const { port } = server();
    const hanging = net.createServer((socket) => socket.on('error', () => {})).listen(0, '127.0.0.1');
    await once(hanging, 'listening');
    onTestFinished(() => void hanging.close());
    const { port: first } = hanging.address() as net.AddressInfo;
    const several = { host: ['127.0.0.1', '127.0.0.1'], port: [first, port], max: 2, connect_timeout: 1 };
    const sql = endedAfterTest(postgres(keepAlivePostgres(config(several as unknown as Config), quick)));
    const query = async () => {
      const error = await errorOf(sql`SELECT pg_sleep(0.1)`);
      expect(error).toMatchObject({ code: 'CONNECT_TIMEOUT', address: '127.0.0.1', port: first });
      await sql`SELECT pg_sleep(0.1)`;
    };
    const early = query();
    await sleep(500);
    await Promise.all([early, query()]);
    // None has gone on to the next turn, which would be the one that hangs.
    await sql`SELECT 1`;
  });

  test("the caller's own socket function is called, and its options are left as they were", async () => {
    const { port } = server();
    const sockets: net.Socket[] = [];
    const own = Object.freeze({
      socket: async () => {
        const socket = net.connect(port, '127.0.0.1');
        await once(socket, 'connect');
        sockets.push(socket);
        return socket;
      },
    });
    const sql = endedAfterTest(postgres({ ...config(), ...keepAlivePostgres(own, quick) } as Config));
    await sql`SELECT 1`;
    expect(kernelValues(only(sockets))).toBe(quickInKernel);
  });

  test('a refused connection fails as without, and a Unix socket works on', async () => {
    const refused = endedAfterTest(
      postgres(keepAlivePostgres(config({ host: '127.0.0.1', port: await closedPort() }), quick)),
    );
    expect((await errorOf(refused`SELECT 1`)).code).toBe('ECONNREFUSED');

    const errors: Error[] = [];
    const onError = (error: Error) => errors.push(error);
    const { socketPath, port } = server();
    const path = `${socketPath}/.s.PGSQL.${port}`;
    const sql = endedAfterTest(postgres(keepAlivePostgres(config({ path }), quick, { onError })));
    await sql`SELECT 1`;
    expect(errors[0]).toMatchObject({ code: 'ERR_KEEPALIVE_NOT_TCP' });
  });
});

test.each([
  ['options', () => keepAlivePostgres({}, { count: 1.5 })],
  ['configuration', () => keepAlivePostgres(null as never, quick)],
  ['onError', () => keepAlivePostgres({}, quick, { onError: 7 as never })],
])('wrong %s throw', (_what, call) => {
  expect(call).toThrow(expect.objectContaining({ code: 'ERR_KEEPALIVE_INVALID_OPTION' }));
});

test('it takes options of which all else is in the URL', () => {
  // postgres.js connects at the first query, and there is none.
  const sql = postgres('postgres://db/app', keepAlivePostgres({}, quick));
  expect(sql.options).toMatchObject({ host: ['db'], keep_alive: 60 });
});

function endedAfterTest(sql: postgres.Sql): postgres.Sql {
  onTestFinished(() => sql.end({ timeout: 0 }));
  return sql;
}

const lookupTwo: net.LookupFunction = (_host, _options, found) => {
  found(null, [
    { address: '127.0.0.3', family: 4 },
    { address: '127.0.0.1', family: 4 },
  ]);
};

async function closedPort(): Promise<number> {
  const listener = net.createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as net.AddressInfo;
  listener.close();
  return port;
}

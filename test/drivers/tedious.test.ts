import { once } from 'node:events';
import net from 'node:net';
import { keepAliveTedious } from 'tcp-keepalive/tedious';
import { expectDetection, vanish } from 'tcp-keepalive/testing';
import type { Connection, ConnectionConfiguration } from 'tedious';
import { expect, onTestFinished, test, vi } from 'vitest';
import { describeWhereInstalled } from '../helpers/describe-with-server.ts';
import { driverPackage } from '../helpers/driver-package.ts';
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
import { listen } from '../helpers/listen.ts';
import { kernelValues } from '../helpers/raw-options.ts';
import { startSqlServerStub } from '../helpers/sql-server-stub.ts';

describeWhereInstalled('keepAliveTedious, with a stub of SQL Server', driverPackage('tedious'), () => {
  test.for(['idle', 'unacknowledged'] as const)('a vanished server is noticed in time: %s', async (state) => {
    const proxy = await proxyTo({ port: await stubPort() });
    const opened = connectedSockets();
    const connection = await connected(keepAliveTedious(configOf(proxy.port), quick));
    await run(connection, 'SELECT 1');
    await idleAMoment();
    const socket = only(opened.to(proxy.port));
    expect(kernelValues(socket)).toBe(quickInKernel);

    const waiting = state === 'idle' ? errorOf(run(connection, 'SELECT never')) : undefined;
    await idleAMoment();
    await proxy.vanish();
    const error = await expectInTime(state, socket, () => waiting ?? errorOf(run(connection, 'SELECT 1')));
    expect(error.message).toContain('ETIMEDOUT');
  });

  test('connecting to a vanished server is bounded by the user timeout', async () => {
    const server = net.createServer();
    const port = await listen(server);
    vanish(server);
    const options = { ...quick, userTimeout: 1_000 };
    const connecting = connected(keepAliveTedious(configOf(port), options));
    const error = await expectDetection(connecting, options, { state: 'connecting' });
    expect(String(error)).toContain('ETIMEDOUT');
  });

  test('a gateway that redirects to another server', async () => {
    const port = await stubPort();
    const opened = connectedSockets();
    const connection = await connected(keepAliveTedious(configOf(await stubPort(port)), quick));
    await run(connection, 'SELECT 1');
    expect(kernelValues(only(opened.to(port)))).toBe(quickInKernel);
  });

  test("the caller's own connector is called, and its configuration is left as it was", async () => {
    const port = await stubPort();
    const opened = connectedSockets();
    const connector = async () => {
      const socket = net.connect(port, '127.0.0.1');
      await once(socket, 'connect');
      return socket;
    };
    const config = configOf(1);
    const own = Object.freeze({ ...config, options: Object.freeze({ ...config.options, connector }) });
    const connection = await connected(keepAliveTedious(own, quick));
    await run(connection, 'SELECT 1');
    expect(own.options.connector).toBe(connector);
    expect(kernelValues(only(opened.to(port)))).toBe(quickInKernel);
  });

  test('a refused connection fails as without, and one that is not answered ends in time', async () => {
    const closed = net.createServer().listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const { port } = closed.address() as net.AddressInfo;
    closed.close();
    const refused = await errorOf(connected(keepAliveTedious(configOf(port), quick)));
    expect(refused.message).toContain('ECONNREFUSED');

    const proxy = await proxyTo({ port: await stubPort() });
    await proxy.vanish();
    const config = configOf(proxy.port);
    const bounded = { ...config, options: { ...config.options, connectTimeout: 500 } };
    const connect = vi.spyOn(net.Socket.prototype, 'connect');
    onTestFinished(() => connect.mockRestore());
    const unanswered = await errorOf(connected(keepAliveTedious(bounded, quick)));
    expect(unanswered).toMatchObject({ code: 'ETIMEOUT' });
    expect(only(connect.mock.contexts)).toMatchObject({ destroyed: true });
  });
});

test('wrong options throw', () => {
  expect(() => keepAliveTedious({ server: 'db' }, { interval: 0 })).toThrow(
    expect.objectContaining({ code: 'ERR_KEEPALIVE_INVALID_OPTION' }),
  );
});

async function stubPort(redirectTo?: number): Promise<number> {
  const stub = await startSqlServerStub(redirectTo);
  onTestFinished(() => stub.close());
  return stub.port;
}

function configOf(port: number): ConnectionConfiguration {
  return {
    server: '127.0.0.1',
    authentication: { type: 'default', options: { userName: 'app', password: 'secret' } },
    options: { port, encrypt: false },
  };
}

async function connected(config: ConnectionConfiguration): Promise<Connection> {
  const { Connection } = await import('tedious');
  const connection = new Connection(config);
  connection.on('error', () => {});
  onTestFinished(() => connection.close());
  return new Promise((resolve, reject) => {
    connection.connect((error) => (error ? reject(error) : resolve(connection)));
  });
}

async function run(connection: Connection, sql: string): Promise<void> {
  const { Request } = await import('tedious');
  return new Promise((resolve, reject) => {
    connection.execSqlBatch(new Request(sql, (error) => (error ? reject(error) : resolve())));
  });
}

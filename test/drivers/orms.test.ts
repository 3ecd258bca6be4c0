import type net from 'node:net';
import mysql from 'mysql2/promise';
import pg from 'pg';
import { keepAliveStream, type OnError } from 'tcp-keepalive';
import { expect, test, vi } from 'vitest';
import { describeWithServer } from '../helpers/describe-with-server.ts';
import { idleAMoment, only, quick, quickInKernel } from '../helpers/driver-under-test.ts';
import { kernelValues } from '../helpers/raw-options.ts';
import { mariadb } from '../helpers/start-mariadb.ts';
import { postgres } from '../helpers/start-postgres.ts';

// What docs/orms.md has an ORM hand to its driver: a function that makes the socket.

/** That function, which notes the sockets that it makes. */
function noting(sockets: net.Socket[], onError?: OnError): (asked?: object) => net.Socket {
  const stream = keepAliveStream(quick, { onError });
  return (asked) => {
    const socket = stream(asked);
    sockets.push(socket);
    return socket;
  };
}

describeWithServer('keepAliveStream, for pg', postgres, (server) => {
  test.for(['plain', 'TLS'])('%s', async (name) => {
    const { host, port, user, password, database, tlsCa } = server();
    const sockets: net.Socket[] = [];
    const ssl = name === 'TLS' && { ca: String(tlsCa) };
    const config: pg.ClientConfig = { host, port, user, password, database, ssl, stream: noting(sockets) };
    const client = new pg.Client({ ...config, keepAlive: true, keepAliveInitialDelayMillis: 10_000 });
    await client.connect();
    await client.query('SELECT 1');
    await idleAMoment();
    expect(kernelValues(only(sockets))).toBe(quickInKernel);
    await client.end();
  });
});

describeWithServer('keepAliveStream, for mysql2', mariadb, (server) => {
  test.for(['plain', 'TLS'])('%s', async (name) => {
    const { host, port, user, password, database, tlsCa } = server();
    const sockets: net.Socket[] = [];
    const stream = noting(sockets);
    const tls = name === 'TLS' ? { ssl: { ca: String(tlsCa) } } : {};
    const connection = await mysql.createConnection({ host, port, user, password, database, stream, ...tls });
    await connection.query('SELECT 1');
    await idleAMoment();
    expect(kernelValues(only(sockets))).toBe(quickInKernel);
    await connection.end();
  });

  test('a Unix socket works as before, and onError is told', async () => {
    const { user, password, database, socketPath } = server();
    const onError = vi.fn<OnError>();
    const stream = noting([], onError);
    const connection = await mysql.createConnection({ user, password, database, socketPath, stream });
    expect((await connection.query('SELECT 1 AS one'))[0]).toEqual([{ one: 1 }]);
    expect(onError).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({ code: 'ERR_KEEPALIVE_NOT_TCP' }),
    );
    await connection.end();
  });
});

test('keepAliveStream refuses wrong options before it makes a socket', () => {
  expect(() => keepAliveStream({ count: 0 })).toThrow(
    expect.objectContaining({ code: 'ERR_KEEPALIVE_INVALID_OPTION' }),
  );
});

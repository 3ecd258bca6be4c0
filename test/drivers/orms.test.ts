import net from 'node:net';
import mysql from 'mysql2/promise';
import pg from 'pg';
import { keepAlive } from 'tcp-keepalive';
import { expect, test } from 'vitest';
import { describeWithServer } from '../helpers/describe-with-server.ts';
import { idleAMoment, only, quick, quickInKernel } from '../helpers/driver-under-test.ts';
import { kernelValues } from '../helpers/raw-options.ts';
import { mariadb } from '../helpers/start-mariadb.ts';
import { postgres } from '../helpers/start-postgres.ts';

// What docs/orms.md has an ORM hand to its driver: a function that makes the socket.

describeWithServer('the stream option of pg', postgres, (server) => {
  test.for(['plain', 'TLS'])('%s', async (name) => {
    const { host, port, user, password, database, tlsCa } = server();
    const sockets: net.Socket[] = [];
    const stream = () => {
      const socket = keepAlive(new net.Socket(), quick);
      sockets.push(socket);
      return socket;
    };
    const ssl = name === 'TLS' && { ca: String(tlsCa) };
    const config: pg.ClientConfig = { host, port, user, password, database, ssl, stream };
    const client = new pg.Client({ ...config, keepAlive: true, keepAliveInitialDelayMillis: 10_000 });
    await client.connect();
    await client.query('SELECT 1');
    await idleAMoment();
    expect(kernelValues(only(sockets))).toBe(quickInKernel);
    await client.end();
  });
});

describeWithServer('the stream option of mysql2', mariadb, (server) => {
  test.for(['plain', 'TLS'])('%s', async (name) => {
    const { host, port, user, password, database, tlsCa } = server();
    const sockets: net.Socket[] = [];
    const stream = () => {
      const socket = keepAlive(net.connect(port, host), quick);
      sockets.push(socket);
      return socket;
    };
    const tls = name === 'TLS' ? { ssl: { ca: String(tlsCa) } } : {};
    const connection = await mysql.createConnection({ user, password, database, stream, ...tls });
    await connection.query('SELECT 1');
    await idleAMoment();
    expect(kernelValues(only(sockets))).toBe(quickInKernel);
    await connection.end();
  });
});

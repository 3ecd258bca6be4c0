// How do the connections of an ORM's pool notice a failover? Here knex, over pg.
import type net from 'node:net';
import { pathToFileURL } from 'node:url';
import knex from 'knex';
import { getKeepAlive, keepAliveStream } from 'tcp-keepalive';

const stream = keepAliveStream('database');

export async function main(): Promise<void> {
  const url = process.env.DATABASE_URL ?? 'postgres://127.0.0.1/postgres';
  const sockets: net.Socket[] = [];
  const db = knex({
    client: 'pg',
    connection: { connectionString: url, connectionTimeoutMillis: 5_000, stream: () => noted(sockets) },
  });
  const { rows } = await db.raw('SELECT version()');
  console.log('connected to', rows[0].version);
  for (const socket of sockets) console.log('held', getKeepAlive(socket));
  await db.destroy();
}

/** The example shows what its sockets have. Otherwise `stream` itself would do. */
function noted(sockets: net.Socket[]): net.Socket {
  const socket = stream();
  sockets.push(socket);
  return socket;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();

// How do the connections of an ORM's pool notice a failover? Here knex, over pg.
import type net from 'node:net';
import { pathToFileURL } from 'node:url';
import knex from 'knex';
import type pg from 'pg';
import { getKeepAlive } from 'tcp-keepalive';
import { keepAlivePg } from 'tcp-keepalive/pg';

export async function main(): Promise<void> {
  const url = process.env.DATABASE_URL ?? 'postgres://127.0.0.1/postgres';
  const db = knex({
    client: 'pg',
    connection: { connectionString: url, connectionTimeoutMillis: 5_000 },
    pool: { afterCreate: holdCreated },
  });
  const { rows } = await db.raw('SELECT version()');
  console.log('connected to', rows[0].version);
  await db.destroy();
}

/** knex calls this with each connection that its pool has made. */
function holdCreated(client: pg.Client, done: (error: Error | null, client: pg.Client) => void): void {
  keepAlivePg(client, 'database');
  console.log('held', getKeepAlive(client.connection.stream as net.Socket));
  done(null, client);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();

// How does a pg pool notice a failover? One line, and the listeners that every pg pool should have.
// DATABASE_URL says where the database is; without it, pg's own PGHOST and so on.
import type net from 'node:net';
import { pathToFileURL } from 'node:url';
import pg from 'pg';
import { getKeepAlive } from 'tcp-keepalive';
import { keepAlivePg } from 'tcp-keepalive/pg';

export async function main(): Promise<void> {
  const pool = new pg.Pool({
    connectionString: process.env.DATABASE_URL,
    // Keepalive begins when a connection is there; until then this is the bound.
    connectionTimeoutMillis: 5_000,
  });
  keepAlivePg(pool, 'database');
  // An idle connection whose server vanishes is removed from the pool and raises an error here.
  pool.on('error', (error) => console.error('an idle connection was lost:', error.message));

  const { rows } = await pool.query<{ version: string }>('SELECT version()');
  console.log('connected to PostgreSQL', rows[0]);
  await useOneClient(pool);
  await pool.end();
}

/** A client that is checked out tells of its loss itself. */
async function useOneClient(pool: pg.Pool): Promise<void> {
  const client = await pool.connect();
  let lost: Error | undefined;
  const onError = (error: Error) => {
    lost = error;
    console.error('a connection was lost while in use:', error.message);
  };
  client.on('error', onError);
  try {
    await client.query('BEGIN');
    console.log('its timers:', getKeepAlive(client.connection.stream as net.Socket));
    await client.query('COMMIT');
  } finally {
    client.off('error', onError);
    client.release(lost);
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();

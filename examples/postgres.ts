// How do the connections of postgres.js notice a failover?
import { pathToFileURL } from 'node:url';
import postgres from 'postgres';
import { keepAlivePostgres } from 'tcp-keepalive/postgres';

export async function main(): Promise<void> {
  const url = process.env.DATABASE_URL ?? 'postgres://127.0.0.1/postgres';
  const sql = postgres(url, keepAlivePostgres({ max: 10, connect_timeout: 5 }, 'database'));

  const [row] = await sql`SELECT version()`;
  console.log('connected to', row?.version);
  await sql.end();
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();

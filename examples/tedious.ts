// How does a connection to SQL Server notice a failover?
import { once } from 'node:events';
import { pathToFileURL } from 'node:url';
import { keepAliveTedious } from 'tcp-keepalive/tedious';
import { Connection } from 'tedious';

export async function main(): Promise<void> {
  const { hostname, port, username, password, searchParams } = new URL(
    process.env.SQL_SERVER_URL ?? 'mssql://sa:secret@127.0.0.1:1433',
  );
  const config = {
    server: hostname,
    authentication: { type: 'default' as const, options: { userName: username, password } },
    options: { port: Number(port), encrypt: searchParams.get('encrypt') !== 'false' },
  };
  const connection = new Connection(keepAliveTedious(config, 'database'));
  connection.on('error', (error) => console.error('lost:', error.message));
  connection.connect();
  // tedious tells of a failure with the same event.
  const [failure] = await once(connection, 'connect');
  if (failure) throw failure;
  console.log('connected');
  connection.close();
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();

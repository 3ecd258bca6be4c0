// How do the connections of a mariadb pool notice a failover?
import { pathToFileURL } from 'node:url';
import * as mariadb from 'mariadb';
import { keepAliveMariadb } from 'tcp-keepalive/mariadb';

export async function main(): Promise<void> {
  // The socket is made by a function, which a URL has no room for.
  const { hostname, port, username, password, pathname } = new URL(
    process.env.MYSQL_URL ?? 'mariadb://root@127.0.0.1:3306/test',
  );
  const config = {
    host: hostname,
    port: Number(port),
    user: username,
    password,
    database: pathname.slice(1),
  };
  const pool = mariadb.createPool(keepAliveMariadb({ ...config, connectionLimit: 10 }, 'database'));

  const [row] = await pool.query('SELECT VERSION() AS version');
  console.log('connected to', row.version);
  await pool.end();
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();

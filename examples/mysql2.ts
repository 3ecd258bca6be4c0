// How does a mysql2 pool notice a failover? One line; a single connection needs a listener too.
// MYSQL_URL says where the database is: mysql://user:password@host:3306/database
import { pathToFileURL } from 'node:url';
import mysql from 'mysql2/promise';
import { keepAliveMysql2 } from 'tcp-keepalive/mysql2';

export async function main(): Promise<void> {
  const uri = process.env.MYSQL_URL ?? 'mysql://root@localhost:3306';

  // A pool drops an idle connection whose server vanishes, and opens another for the next query.
  const pool = keepAliveMysql2(mysql.createPool({ uri, connectTimeout: 5_000 }), 'database');
  const [rows] = await pool.query('SELECT version() AS version');
  console.log('through a pool:', rows);

  const connection = keepAliveMysql2(
    await mysql.createConnection({ uri, connectTimeout: 5_000 }),
    'database',
  );
  // It has no pool to drop it: without a listener its loss would end the process.
  connection.on('error', (error) => console.error('the connection was lost:', error.message));
  const [ids] = await connection.query('SELECT connection_id() AS id');
  console.log('through a connection of its own:', ids);

  await connection.end();
  await pool.end();
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();

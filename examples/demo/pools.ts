import net from 'node:net';
import pg from 'pg';
import type { KeepAliveInput } from 'tcp-keepalive';
import { keepAlivePg } from 'tcp-keepalive/pg';

/** A pool with one connection, and the name under which the demo shows it. */
export interface DemoPool {
  readonly name: string;
  readonly pool: pg.Pool;
  /** What `keepAlivePg` holds, if it was called. */
  readonly held: KeepAliveInput | undefined;
  /** The socket of its connection, or of its attempt to make one. */
  socket(): net.Socket;
  end(): Promise<void>;
}

/** The same pool three times: they differ in who looks after its keepalive timers. */
export function openPools(address: pg.PoolConfig): readonly [DemoPool, DemoPool, DemoPool] {
  return [
    demoPool('pg as it comes', address),
    demoPool('pg, keepAlive: true', { ...address, keepAlive: true }),
    demoPool('pg with tcp-keepalive', address, 'fastFailover'),
  ];
}

function demoPool(name: string, config: pg.PoolConfig, held?: KeepAliveInput): DemoPool {
  let socket = new net.Socket();
  const stream = () => {
    socket = new net.Socket();
    return socket;
  };
  // By default pg closes a connection that is idle for 10 s, before anything else can happen to it.
  const pool = new pg.Pool({ ...config, max: 1, idleTimeoutMillis: 0, stream });
  // Without a listener the error of a lost idle connection ends the process.
  pool.on('error', () => {});
  if (held !== undefined) keepAlivePg(pool, held);
  return {
    name,
    pool,
    held,
    socket: () => socket,
    end() {
      // One that is still connecting to a server that has vanished would keep the process for two minutes.
      socket.destroy();
      return pool.end();
    },
  };
}

import type net from 'node:net';
import pg from 'pg';
import { keepAlivePg } from 'tcp-keepalive/pg';

/** A pool with one connection, and the name under which the demo shows it. */
export interface DemoPool {
  readonly name: string;
  readonly pool: pg.Pool;
  /** The socket of its connection, once it has connected. */
  socket(): net.Socket;
}

/** The same pool three times: they differ in who looks after its keepalive timers. */
export function openPools(address: pg.PoolConfig): readonly [DemoPool, DemoPool, DemoPool] {
  return [
    demoPool('pg as it comes', newPool(address)),
    demoPool('pg, keepAlive: true', newPool({ ...address, keepAlive: true })),
    demoPool('pg with tcp-keepalive', keepAlivePg(newPool(address), 'fastFailover')),
  ];
}

function newPool(config: pg.PoolConfig): pg.Pool {
  // By default pg closes a connection that is idle for 10 s, before anything else can happen to it.
  const pool = new pg.Pool({ ...config, max: 1, idleTimeoutMillis: 0 });
  // Without a listener the error of a lost idle connection ends the process.
  pool.on('error', () => {});
  return pool;
}

function demoPool(name: string, pool: pg.Pool): DemoPool {
  let socket: net.Socket | undefined;
  pool.on('connect', (client) => {
    socket = (client as unknown as { connection: { stream: net.Socket } }).connection.stream;
  });
  return {
    name,
    pool,
    socket() {
      if (socket === undefined) throw new Error(`${name} has not connected yet`);
      return socket;
    },
  };
}

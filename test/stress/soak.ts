import assert from 'node:assert/strict';
import { createHook } from 'node:async_hooks';
import { readdirSync } from 'node:fs';
import type net from 'node:net';
import { setImmediate, setTimeout } from 'node:timers/promises';
import pg from 'pg';
import { keepAlivePg } from 'tcp-keepalive/pg';
import { type VanishingProxy, vanishingProxy } from 'tcp-keepalive/testing';
import { PATIENCE } from '../helpers/patience.ts';
import { startPostgres } from '../helpers/start-postgres.ts';
import { whenAlone } from './alone.ts';
import { heapInUse } from './collect.ts';

// A pool under churn, in front of a real PostgreSQL that vanishes and returns, over and over: clients
// are checked out, used, released and thrown away. Nothing may pile up: memory, sockets, descriptors,
// timers or listeners.
//
//     npx tsx test/stress/soak.ts [--full]

const quick = { initialDelay: 1_000, interval: 1_000, count: 1, userTimeout: 'auto' } as const;

const POOL = 8;

/** So many sockets that have ended Node may keep until the next ones come. */
const LAST = 2;

/** What caches and compiled code may still add after the first round. */
const SETTLING = 3e6;

/**
 * The timers that are set, by their number: also those that do not keep the process alive, as this
 * library's are, which `process.getActiveResourcesInfo()` leaves out.
 */
const timers = new Set<number>();
const timerHook = createHook({
  init(id, kind) {
    if (kind === 'Timeout') timers.add(id);
  },
  destroy(id) {
    timers.delete(id);
  },
});

/** Every socket that the pool has opened, unless it has been collected. */
let opened: WeakRef<net.Socket>[] = [];

interface Held {
  heap: number;
  sockets: number;
  descriptors: number;
  timers: number;
  listeners: number;
}

export async function soak(milliseconds: number): Promise<object> {
  timerHook.enable();
  const server = await startPostgres();
  const proxy = await vanishingProxy({ to: server.port });
  const pool = new pg.Pool({
    host: '127.0.0.1',
    port: proxy.port,
    user: server.user,
    password: server.password,
    database: server.database,
    max: POOL,
    connectionTimeoutMillis: PATIENCE,
    idleTimeoutMillis: 0,
  });
  const totals = { rounds: 0, queries: 0, lostIdle: 0 };
  pool.on('error', () => {
    totals.lostIdle += 1;
  });
  pool.on('connect', (client) => opened.push(new WeakRef(streamOf(client))));
  keepAlivePg(pool, quick);
  try {
    // The first round pays for what is loaded and compiled once.
    await round(pool, proxy, totals);
    const first = await held(pool);
    const ends = performance.now() + milliseconds;
    do await round(pool, proxy, totals);
    while (performance.now() < ends);
    const last = await held(pool);
    expectNoGrowth(first, last);
    return { ...totals, first, last };
  } finally {
    timerHook.disable();
    await pool.end();
    await proxy.close();
    await server.stop();
  }
}

/** Churn, then the peer vanishes under idle and busy clients, all are noticed, and it returns. */
async function round(
  pool: pg.Pool,
  proxy: VanishingProxy,
  totals: { rounds: number; queries: number },
): Promise<void> {
  await churn(pool, totals);
  const idle = await Promise.all(Array.from({ length: POOL }, () => pool.connect()));
  for (const client of idle.slice(1)) client.release();
  const busy = idle[0] as pg.PoolClient;
  busy.on('error', () => {});
  await proxy.vanish();
  const until = performance.now() + PATIENCE;
  await assert.rejects(busy.query('SELECT 1'));
  busy.release(true);
  while (pool.totalCount > 0 && performance.now() < until) await setTimeout(10);
  assert.equal(pool.totalCount, 0, 'every connection to the vanished peer is given up');
  await proxy.restore();
  // Its own ends of what was given up are none of ours.
  for (const connection of proxy.connections) connection.destroy();
  await churn(pool, totals);
  totals.rounds += 1;
  opened = stillThere(opened);
}

async function churn(pool: pg.Pool, totals: { queries: number }): Promise<void> {
  const ends = performance.now() + 500;
  const user = async (throwsAway: boolean): Promise<void> => {
    while (performance.now() < ends) {
      const client = await pool.connect();
      await client.query('SELECT 1');
      totals.queries += 1;
      client.release(throwsAway && totals.queries % 5 === 0);
      await setImmediate();
    }
  };
  await Promise.all(Array.from({ length: 2 * POOL }, (_, at) => user(at % 2 === 0)));
}

/** What there is when the pool is full and idle. */
async function held(pool: pg.Pool): Promise<Held> {
  const clients = await Promise.all(Array.from({ length: POOL }, () => pool.connect()));
  const listeners = clients
    .map(streamOf)
    .flatMap((stream) => stream.eventNames().map((name) => stream.listenerCount(name)));
  for (const client of clients) client.release();
  // What was thrown away last is closed by the other end of the proxy.
  await setTimeout(200);
  const heap = await heapInUse();
  return {
    heap,
    sockets: stillThere(opened).length,
    descriptors: readdirSync('/proc/self/fd').length,
    timers: timers.size,
    listeners: listeners.reduce((sum, count) => sum + count, 0) + process.listenerCount('warning'),
  };
}

function streamOf(client: pg.PoolClient): net.Socket {
  return (client as unknown as { connection: { stream: net.Socket } }).connection.stream;
}

function stillThere(sockets: readonly WeakRef<net.Socket>[]): WeakRef<net.Socket>[] {
  return sockets.filter((socket) => socket.deref() !== undefined);
}

function expectNoGrowth(first: Held, last: Held): void {
  assert.equal(last.listeners, first.listeners, 'listeners');
  assert.ok(last.sockets <= POOL + LAST, `sockets: ${last.sockets} of a pool of ${POOL}`);
  assert.ok(
    last.descriptors <= first.descriptors + 2,
    `descriptors: ${first.descriptors}, ${last.descriptors}`,
  );
  assert.ok(last.timers <= first.timers + 2, `timers: ${first.timers}, ${last.timers}`);
  assert.ok(last.heap <= first.heap + SETTLING, `heap: ${first.heap}, ${last.heap}`);
}

await whenAlone(import.meta.url, (full) => soak(full ? 600_000 : 2_000));

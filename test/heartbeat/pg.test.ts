import { EventEmitter } from 'node:events';
import type net from 'node:net';
import pg from 'pg';
import { heartbeatPg, type Silence } from 'tcp-keepalive/heartbeat';
import { vanishingProxy } from 'tcp-keepalive/testing';
import { beforeEach, describe, expect, it, onTestFinished, test, vi } from 'vitest';
import { describeWithServer } from '../helpers/describe-with-server.ts';
import { afterBeats, deathOf, expectInTime, fakeTimers, type Later, rhythm } from '../helpers/heartbeats.ts';
import { PATIENCE } from '../helpers/patience.ts';
import { postgres } from '../helpers/start-postgres.ts';

describe('heartbeatPg, with a fake pool on fake timers', () => {
  beforeEach(fakeTimers);

  test.each([
    { ping: 'is answered', query: async () => {}, isRemoved: false },
    { ping: 'fails', query: () => Promise.reject(new Error('ended')), isRemoved: true },
  ])(
    'a client whose ping $ping is put back or removed, without our listener',
    async ({ query, isRemoved }) => {
      const release = vi.fn<(destroy?: boolean) => void>();
      const client = Object.assign(new EventEmitter(), { query, release });
      const onDead = vi.fn();
      const { stop } = heartbeatPg({ idleCount: 1, connect: async () => client }, { ...rhythm, onDead });
      onTestFinished(stop);
      await vi.advanceTimersByTimeAsync(2_050);
      expect(release.mock.calls).toEqual([[isRemoved], [isRemoved]]);
      // A client that is removed may still give an error.
      if (!isRemoved) expect(client.listenerCount('error')).toBe(0);
      expect(onDead).not.toHaveBeenCalled();
    },
  );
});

describeWithServer('heartbeatPg', postgres, (server) => {
  async function poolBehindProxy(later: Later) {
    const { user, password, database, port } = server();
    const proxy = await vanishingProxy({ to: port });
    const pool = new pg.Pool({ host: '127.0.0.1', port: proxy.port, user, password, database, max: 4 });
    pool.on('error', () => {});
    later(() => proxy.close());
    later(() => (pool.ended ? undefined : pool.end()));
    return { pool, proxy };
  }
  const fill = (pool: pg.Pool) => Promise.all([1, 2, 3].map(() => pool.query('SELECT pg_sleep(0.1)')));

  it.concurrent('removes idle connections whose server has vanished', async ({ onTestFinished }) => {
    const { pool, proxy } = await poolBehindProxy(onTestFinished);
    await fill(pool);
    expect(pool.idleCount).toBe(3);
    const removed = vi.fn();
    const elapsed = await deathOf(
      onTestFinished,
      (onDead) =>
        heartbeatPg(pool, {
          ...rhythm,
          onDead(client) {
            removed(client);
            onDead();
          },
        }),
      () => proxy.vanish(),
    );
    expectInTime(elapsed);
    await vi.waitFor(() => expect(pool.totalCount).toBe(0), { timeout: PATIENCE });
    expect(removed).toHaveBeenCalledTimes(3);
    await proxy.restore();
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });

  it.concurrent('leaves those in use alone, opens none, and puts back what it took', async ({
    onTestFinished,
  }) => {
    const { pool, proxy } = await poolBehindProxy(onTestFinished);
    await fill(pool);
    const used = await pool.connect();
    const listeners = used.listenerCount('error');
    // If this test fails, its server ends with the client still in use.
    used.on('error', () => {});
    const query = vi.spyOn(used, 'query');
    const opened = vi.fn();
    pool.on('connect', opened);
    const beating = heartbeatPg(pool, rhythm);
    await vi.waitFor(() => expect(beating.roundTrip).toBeGreaterThan(0), { timeout: PATIENCE });
    await afterBeats(2);
    beating.stop();
    await vi.waitFor(() => expect(pool.idleCount).toBe(2), { timeout: PATIENCE });
    expect(query).not.toHaveBeenCalled();
    expect(opened).not.toHaveBeenCalled();
    expect(proxy.connections.size).toBe(3);
    const client = await pool.connect();
    expect(client).not.toBe(used);
    expect(client.listenerCount('error')).toBe(listeners);
    client.release();
    used.release();
  });

  it.concurrent('survives a server that ends connections during a ping, and a pool that has ended', async ({
    onTestFinished,
  }) => {
    const { pool, proxy } = await poolBehindProxy(onTestFinished);
    await fill(pool);
    const onDead = vi.fn();
    const beating = heartbeatPg(pool, { every: 1_000, timeout: 20_000, onDead });
    onTestFinished(beating.stop);
    await vi.waitFor(() => expect(beating.roundTrip).toBeGreaterThan(0), { timeout: PATIENCE });
    await proxy.vanish();
    await vi.waitFor(() => expect(pool.idleCount).toBe(0), { timeout: PATIENCE, interval: 10 });
    for (const socket of proxy.connections) socket.destroy();
    await vi.waitFor(() => expect(pool.totalCount).toBe(0), { timeout: PATIENCE });
    expect(onDead).not.toHaveBeenCalled();
    await proxy.restore();
    await fill(pool);
    await pool.end();
    await afterBeats(2);
    expect(onDead).not.toHaveBeenCalled();
  });

  it.concurrent('leaves nothing in the pool when it is stopped during a ping', async ({ onTestFinished }) => {
    const { pool, proxy } = await poolBehindProxy(onTestFinished);
    await fill(pool);
    const beating = heartbeatPg(pool, { every: 1_000, timeout: 20_000 });
    await proxy.vanish();
    await vi.waitFor(() => expect(pool.idleCount).toBe(0), { timeout: PATIENCE });
    beating.stop();
    await vi.waitFor(() => expect(pool.totalCount).toBe(0), { timeout: PATIENCE });
  });

  /** A pool with idle clients, and how to stop the server's processes that serve them, as if they hung. */
  async function poolOfStoppable(later: Later, options: pg.PoolConfig) {
    const { host, user, password, database, port } = server();
    const pool = new pg.Pool({ host, port, user, password, database, ...options });
    pool.on('error', () => {});
    const ids = await Promise.all(
      [1, 2].map(() => pool.query('SELECT pg_sleep(0.1), pg_backend_pid() AS id')),
    );
    const signal = (name: 'SIGSTOP' | 'SIGCONT') => {
      for (const { rows } of ids) process.kill(rows[0].id, name);
    };
    later(() => (pool.ended ? undefined : pool.end()));
    later(() => signal('SIGCONT'));
    const streams = new Set<net.Socket>();
    pool.on('remove', (client) => streams.add((client as unknown as Wire).connection.stream));
    return { pool, streams, stop: () => signal('SIGSTOP'), goOn: () => signal('SIGCONT') };
  }
  interface Wire {
    readonly connection: { readonly stream: net.Socket };
  }

  test.concurrent.for([
    { name: 'by default', options: {} },
    { name: 'with a query_timeout below the timeout', options: { query_timeout: 300 } },
    { name: 'in pipeline mode', options: { pipeline: true } },
    { name: 'in pipeline mode with a query_timeout', options: { pipeline: true, query_timeout: 300 } },
  ])(
    'tells of connections whose server hangs, and destroys them: $name',
    async ({ options }, { onTestFinished }) => {
      const { pool, streams, stop } = await poolOfStoppable(onTestFinished, options);
      const dead: Silence[] = [];
      const elapsed = await deathOf(
        onTestFinished,
        (onDead) =>
          heartbeatPg(pool, {
            ...rhythm,
            onDead(_client, silence) {
              dead.push(silence);
              onDead();
            },
          }),
        stop,
      );
      expectInTime(elapsed);
      await vi.waitFor(() => expect([pool.totalCount, dead.length, streams.size]).toEqual([0, 2, 2]), {
        timeout: PATIENCE,
      });
      expect([...streams].map(({ destroyed }) => destroyed)).toEqual([true, true]);
      for (const { duration } of dead) expect(duration).toBeGreaterThanOrEqual(rhythm.timeout - 50);
    },
  );

  it.concurrent('keeps a connection that answers after its query_timeout, but in time', async ({
    onTestFinished,
  }) => {
    const { pool, streams, stop, goOn } = await poolOfStoppable(onTestFinished, { query_timeout: 300 });
    const onDead = vi.fn();
    const beating = heartbeatPg(pool, { every: 1_000, timeout: 20_000, onDead });
    onTestFinished(beating.stop);
    stop();
    await vi.waitFor(() => expect(beating.misses).toBeGreaterThan(0), { timeout: PATIENCE });
    goOn();
    await vi.waitFor(() => expect([beating.misses, pool.idleCount]).toEqual([0, 2]), { timeout: PATIENCE });
    expect([onDead.mock.calls, streams.size]).toEqual([[], 0]);
  });
});

test('heartbeatPg refuses a client, and names the right call', () => {
  expect(() => heartbeatPg(new pg.Client() as never)).toThrow(
    expect.objectContaining({
      code: 'ERR_KEEPALIVE_INVALID_OPTION',
      message: expect.stringContaining("heartbeat({ ping: () => client.query('SELECT 1')"),
    }),
  );
});

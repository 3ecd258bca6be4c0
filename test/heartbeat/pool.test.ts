import type net from 'node:net';
import { beforeEach, describe, expect, it, onTestFinished, test, vi } from 'vitest';
import { beatIdle } from '../../src/heartbeat/pool.ts';
import { fakeTimers, rhythm } from '../helpers/heartbeats.ts';

describe('the idle connections of a pool, with a fake pool on fake timers', () => {
  beforeEach(fakeTimers);

  /** What is seen of a socket. */
  const newSocket = () => ({
    bytesRead: 100,
    readableEnded: false,
    errored: null as Error | null,
    destroy: vi.fn(),
  });

  const after = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

  function pool({
    idle = 2,
    ping = (_connection: string): Promise<unknown> => Promise.resolve(),
    socket = undefined as Partial<net.Socket> | undefined,
  } = {}) {
    const connections = ['first', 'second', 'third'].slice(0, idle);
    const pool = {
      idle: () => connections.length,
      take: vi.fn(async () => connections.pop() ?? 'new'),
      ping: vi.fn(ping),
      putBack: vi.fn((connection: string) => void connections.push(connection)),
      remove: vi.fn((_connection: string) => {}),
      socketOf: (_connection: string) => socket as net.Socket | undefined,
    };
    const onDead = vi.fn();
    const beating = beatIdle(pool, { ...rhythm, onDead });
    onTestFinished(beating.stop);
    return { pool, onDead, beating };
  }

  it('takes out each for its ping and puts it back after it', async () => {
    const { pool: idle, onDead } = pool();
    await vi.advanceTimersByTimeAsync(999);
    expect(idle.take).not.toHaveBeenCalled();
    for (const beats of [1, 2, 3]) {
      await vi.advanceTimersByTimeAsync(1_000);
      for (const { mock } of [idle.take, idle.ping, idle.putBack]) expect(mock.calls).toHaveLength(2 * beats);
    }
    expect([idle.remove.mock.calls, onDead.mock.calls]).toEqual([[], []]);
  });

  it('takes none if none is idle', async () => {
    const { pool: idle } = pool({ idle: 0 });
    await vi.advanceTimersByTimeAsync(5_000);
    expect(idle.take).not.toHaveBeenCalled();
  });

  it('removes one that is silent, once, and tells of it afterwards', async () => {
    const { pool: idle, onDead } = pool({
      ping: (connection) => (connection === 'first' ? new Promise(() => {}) : Promise.resolve()),
    });
    await vi.advanceTimersByTimeAsync(1_950);
    expect(idle.remove).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(5_000);
    expect(idle.remove.mock.calls).toEqual([['first']]);
    expect(onDead.mock.calls).toEqual([
      ['first', { duration: expect.closeTo(1_000, -2), misses: expect.any(Number), error: undefined }],
    ]);
    expect(idle.remove.mock.invocationCallOrder[0]).toBeLessThan(onDead.mock.invocationCallOrder[0] ?? 0);
  });

  it('removes one whose ping fails, which is no silence', async () => {
    const { pool: idle, onDead } = pool({ ping: () => Promise.reject(new Error('ended')) });
    await vi.advanceTimersByTimeAsync(5_000);
    expect(idle.remove.mock.calls).toEqual([['second'], ['first']]);
    expect([idle.putBack.mock.calls, onDead.mock.calls]).toEqual([[], []]);
  });

  test.each(['is never given', 'is refused'])('has nothing to remove if a connection %s', async (what) => {
    const { pool: idle, onDead } = pool();
    idle.take.mockImplementation(() =>
      what === 'is refused' ? Promise.reject(new Error('pool ended')) : new Promise(() => {}),
    );
    await vi.advanceTimersByTimeAsync(5_000);
    expect([idle.remove.mock.calls, onDead.mock.calls]).toEqual([[], []]);
  });

  it('destroys the socket of one that it removes, after the pool has let it go', async () => {
    const socket = newSocket();
    const { pool: idle } = pool({ idle: 1, socket, ping: () => new Promise(() => {}) });
    await vi.advanceTimersByTimeAsync(3_000);
    expect(socket.destroy).toHaveBeenCalledOnce();
    expect(idle.remove.mock.invocationCallOrder[0]).toBeLessThan(
      socket.destroy.mock.invocationCallOrder[0] ?? 0,
    );
  });

  it('asks one again whose ping failed without a word from the server, and tells if it stays silent', async () => {
    const error = new Error("the driver's own timeout");
    const { pool: idle, onDead } = pool({
      idle: 1,
      socket: newSocket(),
      ping: () => after(100).then(() => Promise.reject(error)),
    });
    await vi.advanceTimersByTimeAsync(1_700);
    expect([idle.take.mock.calls.length, idle.ping.mock.calls.length]).toEqual([1, 2]);
    await vi.advanceTimersByTimeAsync(350);
    expect(onDead.mock.calls).toEqual([['first', { duration: expect.closeTo(1_000, -2), misses: 1, error }]]);
    expect(idle.remove).toHaveBeenCalledOnce();
  });

  test.each<[string, Partial<net.Socket>]>([
    ['the server has answered', { bytesRead: 101 }],
    ['the peer has ended the connection', { readableEnded: true }],
    ['the connection has failed', { errored: new Error('reset') }],
  ])('tells of none whose ping failed because %s', async (_why, change) => {
    const socket = newSocket();
    const { pool: idle, onDead } = pool({
      idle: 1,
      socket,
      ping: async () => {
        Object.assign(socket, change);
        throw new Error('refused');
      },
    });
    await vi.advanceTimersByTimeAsync(3_000);
    expect([idle.remove.mock.calls, onDead.mock.calls]).toEqual([[['first']], []]);
  });

  it('puts back without a ping what it is given too late', async () => {
    const { pool: idle, onDead } = pool({ idle: 1 });
    idle.take.mockImplementation(() => after(1_500).then(() => 'late'));
    await vi.advanceTimersByTimeAsync(2_400);
    expect(onDead).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(200);
    expect([idle.ping.mock.calls, idle.putBack.mock.calls]).toEqual([[], [['late']]]);
  });

  it('removes those whose answers are awaited when it is stopped, and tells nobody', async () => {
    const { pool: idle, onDead, beating } = pool({ ping: () => new Promise(() => {}) });
    await vi.advanceTimersByTimeAsync(1_500);
    beating.stop();
    expect(idle.remove.mock.calls).toEqual([['second'], ['first']]);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(onDead).not.toHaveBeenCalled();
  });
});

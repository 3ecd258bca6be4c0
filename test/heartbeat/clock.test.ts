import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { Clock, type Sleeper } from '../../src/heartbeat/clock.ts';
import { connectedPair } from '../helpers/connected-pair.ts';
import { fakeTimers } from '../helpers/heartbeats.ts';
import { PATIENCE } from '../helpers/patience.ts';

/** A sleeper that is woken at these times, and after that never. */
function sleeperAt(...times: number[]) {
  const woken: number[] = [];
  const sleeper = {
    get nextWake() {
      return times[0] ?? Number.POSITIVE_INFINITY;
    },
    wake: vi.fn((now: number): void => {
      woken.push(now);
    }),
    afterReading: vi.fn((): void => {
      times.shift();
    }),
  };
  return { sleeper, woken, times };
}

function start(sleeper: Sleeper): Clock {
  const clock = new Clock(sleeper);
  onTestFinished(() => clock.stop());
  return clock;
}

describe('a clock, on fake timers', () => {
  it('wakes its sleeper at each of its times, with one timer', async () => {
    fakeTimers();
    const begin = performance.now();
    const { sleeper, woken } = sleeperAt(begin + 1_000, begin + 5_000, begin + 5_500);
    start(sleeper);
    for (const [advance, times] of [
      [999, 0],
      [2, 1],
      [3_998, 1],
      [2, 2],
      [500, 3],
    ] as const) {
      expect(vi.getTimerCount()).toBe(1);
      await vi.advanceTimersByTimeAsync(advance);
      expect(woken).toHaveLength(times);
    }
    expect(woken.map((time) => Math.round(time - begin))).toEqual([1_000, 5_000, 5_500]);
  });

  it('wakes a sleeper at once whose time has passed, but not twice in a turn', async () => {
    fakeTimers();
    const { sleeper, woken } = sleeperAt(performance.now() - 1_000, performance.now() - 500);
    start(sleeper);
    await vi.advanceTimersByTimeAsync(0);
    expect(woken).toHaveLength(0);
    await vi.advanceTimersByTimeAsync(1);
    expect(woken).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(10);
    expect(woken).toHaveLength(2);
  });

  it('wakes earlier if it is told to look and the time has come nearer, and never later for it', async () => {
    fakeTimers();
    const begin = performance.now();
    const { sleeper, woken, times } = sleeperAt(begin + 5_000);
    const clock = start(sleeper);
    times.unshift(begin + 2_000);
    await vi.advanceTimersByTimeAsync(1_000);
    clock.look();
    expect(vi.getTimerCount()).toBe(1);
    times.shift();
    clock.look();
    await vi.advanceTimersByTimeAsync(1_001);
    expect(woken).toHaveLength(1);
  });

  it('is stopped with its timer, also between the two calls', async () => {
    fakeTimers();
    const { sleeper, times } = sleeperAt(performance.now() + 1_000);
    const clock = start(sleeper);
    sleeper.wake.mockImplementation(() => clock.stop());
    times.push(performance.now() + 2_000);
    await vi.advanceTimersByTimeAsync(3_000);
    expect([sleeper.wake.mock.calls.length, sleeper.afterReading.mock.calls.length]).toEqual([1, 0]);
    times.unshift(0);
    clock.look();
    expect([clock.isStopped, vi.getTimerCount()]).toEqual([true, 0]);
  });

  it('goes on if its sleeper throws', async () => {
    fakeTimers();
    const { sleeper, woken, times } = sleeperAt(performance.now() + 1_000);
    start(sleeper);
    sleeper.afterReading.mockImplementationOnce(() => {
      times[0] = performance.now() + 1_000;
      throw new Error("the program's own");
    });
    await expect(vi.advanceTimersByTimeAsync(1_500)).rejects.toThrow("the program's own");
    await vi.advanceTimersByTimeAsync(1_000);
    expect(woken).toHaveLength(2);
  });
});

describe('a clock', () => {
  it('keeps no process alive', () => {
    const timers = vi.spyOn(globalThis, 'setTimeout');
    onTestFinished(() => void timers.mockRestore());
    start(sleeperAt(performance.now() + 60_000).sleeper);
    expect(timers.mock.results.map(({ value }) => (value as NodeJS.Timeout).hasRef())).toEqual([false]);
  });

  it('reads what has arrived between the two calls', async () => {
    const { client, server, close } = await connectedPair();
    onTestFinished(close);
    const told: string[] = [];
    client.on('data', () => told.push('data'));
    start({
      nextWake: performance.now() + 100,
      wake() {
        told.push('wake');
        server.write('answer');
        // The answer has arrived long before this process looks.
        const end = performance.now() + 100;
        while (performance.now() < end);
      },
      afterReading: () => void told.push('after reading'),
    });
    await vi.waitFor(() => expect(told.length).toBeGreaterThanOrEqual(3), {
      timeout: PATIENCE,
      interval: 10,
    });
    expect(told.slice(0, 3)).toEqual(['wake', 'data', 'after reading']);
  });
});

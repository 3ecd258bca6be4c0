import { type Heartbeat, heartbeat } from 'tcp-keepalive/heartbeat';
import { afterEach, expect, vi } from 'vitest';
import { stalledBetween } from './detection.ts';
import { PATIENCE } from './patience.ts';

// The most by which a timer of 1 000 ms is late on a busy machine.
export const LATE = 900;

/** Runs a function when a test ends, the last one first: vitest's `onTestFinished`. */
export type Later = (cleanup: () => void | Promise<void>) => unknown;

afterEach(() => {
  vi.useRealTimers();
});

/** Replaces the timers and the time that a heartbeat's clock uses. */
export function fakeTimers(): void {
  vi.useFakeTimers({
    toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate', 'performance'],
  });
}

/** Proves that an answer was waited for longer than a heartbeat waits without bytes that arrive. */
export function expectLongWait(
  elapsed: number,
  rhythm: { readonly every: number; readonly timeout: number },
): void {
  expect(elapsed).toBeGreaterThan(rhythm.every + rhythm.timeout);
}

/** The time from the loss of a peer until the heartbeat reports it. */
export async function deathOf(
  later: Later,
  start: (onDead: () => void) => Heartbeat,
  vanish: () => unknown,
): Promise<number> {
  const { promise, resolve } = withResolvers<void>();
  const beating = start(resolve);
  later(beating.stop);
  await vi.waitFor(() => expect(beating.roundTrip).toBeGreaterThan(0), { timeout: PATIENCE, interval: 10 });
  const begin = performance.now();
  await vanish();
  await promise;
  return performance.now() - begin;
}

/** `Promise.withResolvers`, which Node 20 lacks. */
export function withResolvers<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

// The next beat is at most `every` away, and the silence after it is `timeout`.
export const rhythm = { every: 1_000, timeout: 1_000 };

export function expectInTime(elapsed: number): void {
  const now = performance.now();
  // A process that had to wait for a processor had a ping under way when the peer vanished, or acted later.
  const stalled = stalledBetween(now - elapsed - rhythm.every, now);
  expect(elapsed).toBeGreaterThanOrEqual(rhythm.timeout - stalled - 50);
  expect(elapsed).toBeLessThan(rhythm.every + rhythm.timeout + stalled + LATE);
}

/** Waits for a number of beats of another heartbeat with that rhythm. */
export async function afterBeats(count: number): Promise<void> {
  const ping = vi.fn(async () => {});
  const beating = heartbeat({ ping, ...rhythm, onDead() {} });
  await vi.waitFor(() => expect(ping).toHaveBeenCalledTimes(count), { timeout: PATIENCE, interval: 50 });
  beating.stop();
}

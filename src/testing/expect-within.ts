import { AssertionError } from 'node:assert';
import type { DetectionWindow } from '../predict/predict.ts';
import { stalledBetween } from './stalls.ts';

export type Window = Pick<DetectionWindow, 'earliest' | 'latest'>;

/** The precision of the kernel's times, which are in jiffies of at most 10 ms. */
const JIFFY = 10;

/** The most by which a running process notices an event later than the kernel. */
export const LATENESS = 400;

/**
 * Expects that what began at one moment has ended at another, or just now, within a window.
 *
 * @throws `AssertionError`
 */
export function expectWithin(
  { earliest, latest }: Window,
  began: number,
  ended: number = performance.now(),
  what = 'the end',
): void {
  const elapsed = ended - began;
  const stalled = stalledBetween(began, ended);
  if (elapsed >= earliest - JIFFY && elapsed <= latest + stalled + LATENESS) return;
  const [least, most, after, idle] = [earliest, latest, elapsed, stalled].map(Math.round);
  const waited = idle === 0 ? '' : `, in ${idle} of which this process did not run`;
  throw new AssertionError({
    message: `Expected a vanished peer to be noticed after ${least} to ${most} ms, got ${what} after ${after} ms${waited}`,
  });
}

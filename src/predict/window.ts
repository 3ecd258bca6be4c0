import type { SystemSettings } from './system.ts';

/** When something happens, in milliseconds; `Infinity` is never. */
export interface DetectionWindow {
  /** It does not happen before this, whatever the timers do. */
  readonly earliest: number;
  /** It happens at this time if timers are exact. */
  readonly nominal: number;
  /** It does not happen after this, with timers as late as Linux's may be. */
  readonly latest: number;
}

/** Shared, and frozen because it is. */
export const NEVER: DetectionWindow = Object.freeze({
  earliest: Infinity,
  nominal: Infinity,
  latest: Infinity,
});

/** The window that covers all of these, in whole milliseconds. */
export function covering(
  earliest: readonly number[],
  nominal: number,
  latest: readonly number[],
): DetectionWindow {
  return {
    earliest: Math.floor(Math.min(nominal, ...earliest)),
    nominal,
    latest: Math.ceil(Math.max(nominal, ...latest)),
  };
}

/** The tick rates that distributions build their kernels with. */
const COMMON_RATES: readonly number[] = [100, 250, 300, 1_000];

/** The rates at which a system may tick: its own if it is known. */
export function ratesOf({ hz }: SystemSettings): readonly number[] {
  return hz === undefined ? COMMON_RATES : [hz];
}

const BUCKETS = 63;
const LEVEL_BITS = 3;

/**
 * The most by which a timer of `delay` ms is late, in ms, on a kernel that ticks `hz` times a second.
 *
 * The kernel keeps timers in a wheel of nine levels: the first counts single ticks, and each next
 * one eight times as many. A timer is put on the first level that reaches far enough, and rounded
 * up to what that level counts in. It is never early, and it is late by up to one granule of its
 * level: at most an eighth of the delay, and a tick in which it is handled.
 *
 * @see https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/kernel/time/timer.c
 */
export function lateness(delay: number, hz: number): number {
  const ticks = Math.ceil((delay * hz) / 1_000);
  // One level more for each three bits of the delay in units of the first level's reach.
  const level = ticks < BUCKETS ? 0 : Math.floor((31 - Math.clz32(ticks / BUCKETS)) / LEVEL_BITS) + 1;
  const granule = 1 << (LEVEL_BITS * level);
  return ((granule + 1) * 1_000) / hz;
}

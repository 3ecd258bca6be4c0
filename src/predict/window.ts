import type { SystemSettings } from './system.ts';

/** When an event happens, in milliseconds; `Infinity` means never. */
export interface DetectionWindow {
  /** The event never comes before this. */
  readonly earliest: number;
  /** The time with exact timers. */
  readonly nominal: number;
  /** The event never comes after this, with timers as late as those of Linux may be. */
  readonly latest: number;
}

/** The window of an event that never comes; frozen, because it is shared. */
export const NEVER: DetectionWindow = Object.freeze({
  earliest: Infinity,
  nominal: Infinity,
  latest: Infinity,
});

/** Returns the window that covers all of these, in whole milliseconds. */
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
 * The kernel keeps timers in a wheel of nine levels: the first counts single ticks, and each next one eight
 * times as many. A timer is put on the first level that reaches far enough, and rounded up to the granule
 * of that level. It is never early, and it is late by up to one granule: at most an eighth of the delay,
 * and a tick in which it is handled.
 *
 * @see https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/kernel/time/timer.c
 */
export function lateness(delay: number, hz: number): number {
  const ticks = Math.ceil((delay * hz) / 1_000);
  // Each next level reaches eight times as far as the one before, which is three bits.
  const level = ticks < BUCKETS ? 0 : Math.floor((31 - Math.clz32(ticks / BUCKETS)) / LEVEL_BITS) + 1;
  const granule = 1 << (LEVEL_BITS * level);
  return ((granule + 1) * 1_000) / hz;
}

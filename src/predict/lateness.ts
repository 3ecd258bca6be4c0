/**
 * How late Linux's timers run.
 *
 * The kernel keeps timers in a wheel of nine levels: the first counts single ticks, and each next
 * one eight times as many. A timer is put on the first level that reaches far enough, and rounded
 * up to what that level counts in. It is never early, and it is late by up to one granule of its
 * level: at most an eighth of the delay, and a tick in which it is handled.
 *
 * @see https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/kernel/time/timer.c
 */

const BUCKETS = 63;
const LEVEL_BITS = 3;
const LEVEL_FACTOR = 1 << LEVEL_BITS;

const SLOWEST_HZ = 100;
const FASTEST_HZ = 1_000;

/** The most by which a timer of `delay` ms is late, in ms, on a kernel that ticks `hz` times a second. */
export function lateness(delay: number, hz: number): number {
  const ticks = Math.ceil((delay * hz) / 1_000);
  // One level more for each three bits of the delay in units of the first level's reach.
  const level = ticks < BUCKETS ? 0 : Math.floor((31 - Math.clz32(ticks / BUCKETS)) / LEVEL_BITS) + 1;
  const granule = 1 << (LEVEL_BITS * level);
  return ((granule + 1) * 1_000) / hz;
}

/** The tick rates to look at: the kernel's own where it is known, or each at which something is latest. */
export function ratesOf(hz: number | undefined, delays: readonly number[]): readonly number[] {
  return hz === undefined ? latestRates(delays) : [hz];
}

/**
 * The tick rates at which timers of these delays are latest, among all from 100 to 1000.
 *
 * As the rate rises, a granule becomes shorter, until a delay has so many ticks that it moves up a
 * level. So a timer is latest at the slowest rate or at one where one of the delays moves up.
 */
function latestRates(delays: readonly number[]): number[] {
  const rates = [SLOWEST_HZ];
  for (const delay of delays) {
    for (let level = BUCKETS; ; level *= LEVEL_FACTOR) {
      // The slowest rate at which the delay, rounded up to a tick, comes to so many.
      const rate = Math.floor(((level - 1) * 1_000) / delay) + 1;
      if (rate > FASTEST_HZ) break;
      if (rate > SLOWEST_HZ && !rates.includes(rate)) rates.push(rate);
    }
  }
  return rates;
}

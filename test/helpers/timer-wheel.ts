/**
 * A second implementation of the kernel's timers, in whole ticks, to compare the prediction's closed forms
 * with: the tick at which a timer armed at `now` for `ticks` fires.
 *
 * @see https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/kernel/time/timer.c
 */
export function timerWheel(now: number, ticks: number): number {
  let granule = 1;
  while (ticks >= 63 * granule) granule *= 8;
  return (Math.floor((now + ticks) / granule) + 1) * granule;
}

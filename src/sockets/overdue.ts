import { type Field, optional, within } from '../options/fields.ts';
import type { KeepAliveSettings } from '../options/options.ts';

// Decides whether a peer is lost, without a clock: the time is an argument.

/** The fields of `TCP_INFO` that decide. Times are in milliseconds. */
export interface Signs {
  readonly unacked: number;
  readonly notSentBytes?: number;
  readonly sendWindow?: number;
  readonly probes: number;
  readonly backoff: number;
  readonly rto: number;
  readonly lastAckReceived: number;
  readonly lastDataReceived: number;
}

/** The field `silentAfter` of those who ask for a reaper. */
export const silentAfterField: Field<number | undefined> = optional(
  within({ min: 1_000, max: 2_147_483_647, unit: 'milliseconds' }),
);

/** The kernel's longest pause between two window probes, and its shortest first one. */
const LONGEST_PAUSE = 120_000;
const SHORTEST_PAUSE = 200;

/** Whether something was sent that is not acknowledged, or waits behind a window that is closed. */
export function isOutstanding({ unacked, notSentBytes = 0 }: Signs): boolean {
  return unacked > 0 || notSentBytes > 0;
}

/**
 * Whether nothing was heard for longer than is allowed, although something was outstanding all that time.
 *
 * @param since - the first look that saw something outstanding: what was written into a long silence is no older
 * @param now - the time, by the same clock
 * @param limit - how long is allowed; not a number if nobody has said it
 */
export function isOverdue(signs: Signs, since: number, now: number, limit: number): boolean {
  const silence = Math.min(now - since, signs.lastAckReceived, signs.lastDataReceived);
  if (signs.unacked > 0 && signs.sendWindow !== 0) return silence >= limit;
  // Window probes back off although they are answered, so that a living peer is silent between them. One may be lost.
  return (signs.unacked > 0 || signs.probes > 1) && silence - pauseOf(signs) >= limit;
}

/** The pause before the next window probe. */
function pauseOf({ rto, backoff }: Signs): number {
  return Math.min(Math.max(rto, SHORTEST_PAUSE) * 2 ** backoff, LONGEST_PAUSE);
}

/**
 * How long a peer may be silent, by the options that are held: its user timeout, else `silentAfter`, else as long as an
 * idle connection may.
 *
 * @returns not a number if none of them says it
 */
export function limitOf(settings: KeepAliveSettings, silentAfter: number | undefined): number {
  const { userTimeout, initialDelay = NaN, interval = NaN, count = NaN } = settings;
  return userTimeout || (silentAfter ?? initialDelay + interval * count);
}

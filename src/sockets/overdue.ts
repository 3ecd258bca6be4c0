import { type Field, optional, within } from '../options/fields.ts';
import type { KeepAliveSettings } from '../options/options.ts';

// Decides whether a peer is lost, without a clock: the time is an argument, in milliseconds. A look at a connection whose
// program keeps writing costs no system call, as long as nothing can be overdue yet: a peer that was heard of at one look
// cannot be until the limit has passed after that.

/** The findings of all looks at a connection. */
export interface Looks {
  /** The first look that saw something outstanding, or that something was written which may be. */
  since: number | undefined;
  /** Whether the last look saw that nothing was. */
  isClear: boolean;
  /** When something was heard last, as far as it is known. */
  heard: number;
  /** When the last look was. */
  last: number;
  /** The longest time between two looks, from `since` on. */
  longest: number;
  /** Whether a look after `since` saw writing, and not whether all before it was acknowledged. */
  isUnsure: boolean;
}

/** Before every time, and shorter than every duration. */
const NONE = Number.NEGATIVE_INFINITY;

export function noLooks(): Looks {
  return { since: undefined, isClear: false, heard: NONE, last: NONE, longest: NONE, isUnsure: false };
}

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
function isOutstanding({ unacked, notSentBytes = 0 }: Signs): boolean {
  return unacked > 0 || notSentBytes > 0;
}

/** Notes that something was received since the last look. */
export function noteReceived(looks: Looks): void {
  looks.isClear = false;
  forget(looks);
}

/**
 * Notes that something was written since the last look.
 *
 * @returns whether nothing can be overdue yet, so that nothing has to be read
 */
export function noteWritten(looks: Looks, now: number, limit: number): boolean {
  const isFirst = looks.since === undefined;
  const since = begin(looks, now);
  const mayBeOverdue = now >= Math.max(since, looks.heard) + limit;
  looks.isClear = false;
  if (!isFirst) looks.isUnsure = true;
  return !mayBeOverdue;
}

/**
 * Notes what was read at a look, and returns whether nothing was heard for longer than is allowed, although something was
 * outstanding all that time.
 *
 * @param limit - how long is allowed; not a number if nobody has said it
 */
export function noteSigns(looks: Looks, signs: Signs, now: number, limit: number): boolean {
  looks.heard = now - Math.min(signs.lastAckReceived, signs.lastDataReceived);
  looks.isClear = !isOutstanding(signs);
  if (looks.isClear) {
    forget(looks);
    return false;
  }
  const since = begin(looks, now);
  const { heard, isUnsure } = looks;
  // Data that was written before the first look after something was heard may be acknowledged; of what was written until
  // the next look, nothing is.
  const longest = isUnsure ? looks.longest : 0;
  return isOverdue(signs, now - Math.max(since, heard + longest) - longest, limit);
}

/** Notes that nothing is outstanding any more, as far as is known. */
function forget(looks: Looks): void {
  looks.since = undefined;
  looks.isUnsure = false;
}

/** Notes a look at which something is outstanding, or may be, and returns since when. */
function begin(looks: Looks, now: number): number {
  const { since = now, last, longest } = looks;
  looks.longest = looks.since === undefined ? NONE : Math.max(longest, now - last);
  looks.since = since;
  looks.last = now;
  return since;
}

function isOverdue(signs: Signs, silence: number, limit: number): boolean {
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
 * @returns not a number if none of them shows it
 */
export function limitOf(settings: KeepAliveSettings, silentAfter: number | undefined): number {
  const { userTimeout, initialDelay = NaN, interval = NaN, count = NaN } = settings;
  return userTimeout || (silentAfter ?? initialDelay + interval * count);
}

import type { KeepAliveSettings } from '../options/options.ts';
import { RTO_MAX, RTO_MIN, type SystemSettings } from './system.ts';
import { covering, type DetectionWindow, lateness, NEVER, ratesOf } from './window.ts';

// Data in flight, a full window, a SYN. These have a retransmission timer, which waits longer each time and
// is cut short at the user timeout. Without a user timeout the limit is a time computed from the number of
// retries, and no wait is cut short.

/** The RTO of a first SYN, the kernel's TCP_TIMEOUT_INIT. */
const RTO_OF_SYN = 1_000;

/** The usual rate of distributions. An RTO that is not known is the minimum and one such tick. */
const COMMON_HZ = 250;

/** How many SYNs are repeated without backing off since Linux 6.5; none before. */
const SYN_LINEAR_TIMEOUTS = 4;

/** The bounds of retransmissions. */
export interface Limits {
  /** 0 means none. */
  readonly userTimeout: number;
  /** The longest wait between two of them. */
  readonly rtoMax: number;
  /** Whether a router's report ends the connection. */
  readonly failOnUnreachable: boolean;
}

/** The options that are set, and the system's values for the others. */
export function limitsOf(
  { userTimeout = 0, maxRetransmitInterval, failOnUnreachable = false }: KeepAliveSettings,
  { rtoMax }: SystemSettings,
): Limits {
  return { userTimeout, rtoMax: maxRetransmitInterval ?? rtoMax, failOnUnreachable };
}

/** When a connection with unacknowledged data is dropped, from the write. */
export interface DataWindow extends DetectionWindow {
  /**
   * The same if a router reports the peer as unreachable (ICMP). Linux then tries again sooner, but the wait that follows
   * is not cut short at the user timeout (RFC 6069): the drop may come half a user timeout later, or `maxRetransmitInterval`.
   * With `failOnUnreachable` the first such report is the drop, at the first retransmission if not at the write.
   */
  readonly onIcmp: DetectionWindow;
}

/** When a connection is dropped if the peer leaves data unacknowledged. */
export function dataInFlight(limits: Limits, system: SystemSettings): DataWindow {
  const rto = rtoOf(limits, system);
  const schedule = dataSchedule(rto, limits, system);
  // If packets cannot leave this machine (a lost carrier, no answer to ARP), the clock starts with the write.
  const earliest = limits.userTimeout || shortestRto(limits, system) + earliestExpiry(schedule);
  // The clock of the retries starts with the first of them, one RTO after the write. A tail loss probe, which the
  // kernel sends for a lone segment, may delay it by one RTO more.
  const nominal = 2 * rto + schedule.end;
  const begins = (hz: number) => 2 * (rto + lateness(rto, hz));
  // The waits before the one that is not cut short add up to as much as it, but for the first.
  const uncut = Math.min(limits.rtoMax, schedule.limit / 2 + rto);
  const rates = ratesOf(system);
  const latest = rates.map((hz) => begins(hz) + latestExpiry(schedule, hz));
  const latestOnIcmp = rates.map((hz) => begins(hz) + schedule.limit + uncut + lateness(uncut, hz));
  return {
    ...covering([earliest], nominal, latest),
    onIcmp: limits.failOnUnreachable
      ? covering([0], rto, latest)
      : covering([earliest], nominal, [...latest, ...latestOnIcmp]),
  };
}

/** When a connection is dropped whose peer answers, but has no room for more. */
export function windowFull(limits: Limits, system: SystemSettings): DetectionWindow {
  // Without a user timeout, a peer that answers window probes is probed for ever.
  if (limits.userTimeout === 0) return NEVER;
  // Window probes are never sent sooner than this, whatever the least RTO is.
  const rto = Math.max(rtoOf(limits, system), RTO_MIN);
  const schedule = dataSchedule(rto, limits, system);
  // This clock starts with the first window probe, and an answer that opens no window does not stop it.
  const latest = ratesOf(system).map((hz) => rto + lateness(rto, hz) + latestExpiry(schedule, hz));
  const earliest = Math.max(shortestRto(limits, system), RTO_MIN) + earliestExpiry(schedule);
  return covering([earliest], rto + schedule.end, latest);
}

/**
 * The longest outage, from the write on, after which unacknowledged data is still retransmitted: until the last
 * retransmission before the drop, however late timers run.
 */
export function outageInFlight(limits: Limits, system: SystemSettings): number {
  const rto = rtoOf(limits, system);
  const { limit } = dataSchedule(rto, limits, system);
  const lasts = ratesOf(system).map((hz) =>
    lastRetry(Math.min(2 * rto, limits.rtoMax), limits.rtoMax, limit, hz),
  );
  return Math.floor(shortestRto(limits, system) + Math.min(...lasts));
}

/** The connection's RTO or, if it is not known, that of a near peer. */
function rtoOf({ rtoMax }: Limits, { rto, rtoMin, hz = COMMON_HZ }: SystemSettings): number {
  return Math.min(rto ?? rtoMin + 1_000 / hz, rtoMax);
}

/** An RTO that is not known may be as short as the minimum. */
function shortestRto({ rtoMax }: Limits, { rto, rtoMin }: SystemSettings): number {
  return Math.min(rto ?? rtoMin, rtoMax);
}

function dataSchedule(
  rto: number,
  { userTimeout, rtoMax }: Limits,
  { tcpRetries2 }: SystemSettings,
): Schedule {
  const limit = userTimeout === 0 ? modelTimeout(tcpRetries2, RTO_MIN, rtoMax) : userTimeout;
  return scheduleOf({
    start: 0,
    wait: Math.min(2 * rto, rtoMax),
    longest: rtoMax,
    waitsAlike: 1,
    limit,
    cut: userTimeout !== 0,
    most: Infinity,
  });
}

/** When an unanswered attempt to connect ends. */
export function connectionAttempt(limits: Limits, system: SystemSettings): DetectionWindow {
  const schedules = linearTimeouts(limits, system).map((linear) => synSchedule(linear, limits, system));
  const latest = ratesOf(system).flatMap((hz) => schedules.map((schedule) => latestExpiry(schedule, hz)));
  return covering(schedules.map(earliestExpiry), schedules[0]?.end ?? Infinity, latest);
}

function linearTimeouts({ rtoMax }: Limits, { synLinearTimeouts }: SystemSettings): readonly number[] {
  if (synLinearTimeouts !== undefined) return [synLinearTimeouts];
  // A kernel in which the longest wait can be changed is not older than 6.5.
  return rtoMax === RTO_MAX ? [SYN_LINEAR_TIMEOUTS, 0] : [SYN_LINEAR_TIMEOUTS];
}

/** The clock starts with the first SYN. The first retry comes one RTO later, whatever the user timeout. */
function synSchedule(
  linear: number,
  { userTimeout, rtoMax }: Limits,
  { tcpSynRetries }: SystemSettings,
): Schedule {
  return scheduleOf({
    start: RTO_OF_SYN,
    wait: linear === 0 ? Math.min(2 * RTO_OF_SYN, rtoMax) : RTO_OF_SYN,
    longest: rtoMax,
    waitsAlike: Math.max(1, linear),
    limit: userTimeout === 0 ? modelTimeout(tcpSynRetries, RTO_OF_SYN, rtoMax) : userTimeout,
    cut: userTimeout !== 0,
    most: tcpSynRetries + linear,
  });
}

/** The kernel's `tcp_model_timeout()`: the time that so many retries take, from this RTO on. */
function modelTimeout(retries: number, rto: number, rtoMax: number): number {
  const doublings = Math.min(retries, Math.floor(Math.log2(rtoMax / rto)));
  return (2 ** (doublings + 1) - 1) * rto + (retries - doublings) * rtoMax;
}

/** A retransmission timer, from its first retry on. */
interface Retries {
  /** The part of the limit that has passed at the first retry. */
  readonly start: number;
  /** The wait after the first retry. */
  readonly wait: number;
  /** How many retries wait that long. Each one after them doubles the wait. */
  readonly waitsAlike: number;
  /** The longest wait. */
  readonly longest: number;
  /** The connection is dropped at the first expiry at which this time has passed. */
  readonly limit: number;
  /** Whether a wait is cut short at the limit. */
  readonly cut: boolean;
  /** The connection is also dropped instead of one more retry than this. */
  readonly most: number;
}

/** The waits of an exact timer, and the part of the limit that has passed at the end. */
interface Schedule {
  readonly start: number;
  readonly limit: number;
  readonly cut: boolean;
  readonly steps: readonly Step[];
  readonly end: number;
}

interface Step {
  readonly wait: number;
  readonly times: number;
}

function scheduleOf({ start, wait: firstWait, waitsAlike, longest, limit, cut, most }: Retries): Schedule {
  const steps: Step[] = [];
  let end = start;
  let wait = firstWait;
  let retry = 0;
  // If the limit has passed before the first retry, the timer expires once more, at once.
  do {
    const left = limit - end;
    if (cut && left <= wait) {
      steps.push({ wait: left, times: 1 });
      end = limit;
      break;
    }
    // The longest waits are all alike, and a limit of weeks has thousands of them.
    const whole = cut ? Math.ceil(left / wait) - 1 : Math.ceil(left / wait);
    const times = wait === longest ? Math.min(whole, most - retry) : 1;
    steps.push({ wait, times });
    end += times * wait;
    retry += times;
    if (retry >= waitsAlike) wait = Math.min(2 * wait, longest);
  } while (retry < most && end < limit);
  return { start, limit, cut, steps, end };
}

/**
 * When the last retry before the limit comes at the earliest, from the first one on, with timers that may be late. Each
 * retry that may be the last one is as late as all waits before it, and no further from the limit than the next wait.
 */
function lastRetry(firstWait: number, longest: number, limit: number, hz: number): number {
  let earliest = 0;
  let latest = 0;
  let last = Infinity;
  for (let wait = firstWait; ; wait = Math.min(2 * wait, longest)) {
    const step = wait + lateness(wait, hz);
    // The longest waits are all alike, and only the first of them that may be the last is looked at.
    const skipped = wait === longest ? Math.max(0, Math.ceil((limit - latest) / step) - 1) : 0;
    earliest += skipped * wait;
    latest += skipped * step;
    if (latest + step >= limit) last = Math.min(last, Math.max(earliest, limit - step));
    if (wait === longest) return last;
    earliest += wait;
    latest = Math.min(latest + step, limit);
  }
}

/** When a schedule ends at the earliest. If it goes beyond the limit, a late timer may end it there. */
function earliestExpiry({ start, limit, end }: Schedule): number {
  return Math.min(end, Math.max(start, limit));
}

/**
 * When a schedule ends at the latest on a kernel that ticks `hz` times a second. It follows the latest
 * moment of each expiry, among the connections that were not dropped at the one before.
 */
function latestExpiry({ start, steps, limit, cut }: Schedule, hz: number): number {
  let last = start === 0 ? 0 : start + lateness(start, hz);
  let latest = last;
  for (const { wait, times } of steps) {
    const late = lateness(wait, hz);
    const reached = last + times * (wait + late);
    const after = Math.max(limit, last);
    latest = Math.max(latest, Math.min(reached, after + (cut ? late : wait + late)));
    last = Math.min(reached, after);
  }
  return latest;
}

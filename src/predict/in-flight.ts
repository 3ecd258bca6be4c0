import type { SystemSettings } from './system.ts';
import { covering, type DetectionWindow, lateness, NEVER, ratesOf } from './window.ts';

// Data in flight, a full window, a SYN. These have a retransmission timer, which waits longer each
// time and is cut short at the user timeout. If there is none, a length of time that is worked
// out from the number of retries takes its place, and cuts nothing short.

/** The kernel's TCP_RTO_MIN and TCP_RTO_MAX, and the RTO of a first SYN, TCP_TIMEOUT_INIT. */
const RTO_MIN = 200;
const RTO_MAX = 120_000;
const RTO_OF_SYN = 1_000;

/** The usual tick rate. An RTO that is not known is taken for the least and one such tick. */
const COMMON_HZ = 250;

/** `net.ipv4.tcp_syn_linear_timeouts`: SYNs that are repeated without backing off, since Linux 6.5. */
const SYN_LINEAR_TIMEOUTS = 4;

/** When a connection is dropped whose peer leaves data unacknowledged, or has no room for more. */
export function dataInFlight(
  userTimeout: number,
  system: SystemSettings,
): { unacknowledged: DetectionWindow; zeroWindow: DetectionWindow } {
  const rto = system.rto ?? RTO_MIN + 1_000 / (system.hz ?? COMMON_HZ);
  const schedule = dataSchedule(rto, userTimeout, system);
  // An RTO that is not known may be as short as the kernel has it.
  const earliest = (system.rto ?? RTO_MIN) + earliestExpiry(schedule);
  const unacknowledged: number[] = [];
  const zeroWindow: number[] = [];
  for (const hz of ratesOf(system)) {
    const latest = latestExpiry(schedule, hz);
    const lateRto = rto + lateness(rto, hz);
    // The clock of the retries starts with the first of them: one RTO after the write, and if
    // the kernel tries a tail loss probe before, as it does for a lone segment, up to one more.
    unacknowledged.push(2 * lateRto + latest);
    // Here it starts with the first window probe, and an answer that opens no window does not stop it.
    zeroWindow.push(lateRto + latest);
  }
  return {
    unacknowledged: covering([earliest], 2 * rto + schedule.end, unacknowledged),
    // A peer that answers window probes is probed for ever, unless there is a user timeout.
    zeroWindow: userTimeout === 0 ? NEVER : covering([earliest], rto + schedule.end, zeroWindow),
  };
}

function dataSchedule(rto: number, userTimeout: number, system: SystemSettings): Schedule {
  const limit = userTimeout === 0 ? modelTimeout(system.tcpRetries2, RTO_MIN) : userTimeout;
  return scheduleOf({
    start: 0,
    wait: 2 * rto,
    waitsAlike: 1,
    limit,
    cut: userTimeout !== 0,
    most: Infinity,
  });
}

/** When an attempt to connect ends that nobody answers. */
export function connectionAttempt(userTimeout: number, system: SystemSettings): DetectionWindow {
  const schedule = synSchedule(SYN_LINEAR_TIMEOUTS, userTimeout, system);
  const beforeLinux65 = synSchedule(0, userTimeout, system);
  const latest: number[] = [];
  for (const hz of ratesOf(system)) latest.push(latestExpiry(schedule, hz), latestExpiry(beforeLinux65, hz));
  return covering([earliestExpiry(schedule), earliestExpiry(beforeLinux65)], schedule.end, latest);
}

/** The clock starts with the first SYN; its first retry comes one RTO later, whatever the user timeout. */
function synSchedule(linear: number, userTimeout: number, system: SystemSettings): Schedule {
  return scheduleOf({
    start: RTO_OF_SYN,
    wait: linear === 0 ? 2 * RTO_OF_SYN : RTO_OF_SYN,
    waitsAlike: Math.max(1, linear),
    limit: userTimeout === 0 ? modelTimeout(system.tcpSynRetries, RTO_OF_SYN) : userTimeout,
    cut: userTimeout !== 0,
    most: system.tcpSynRetries + linear,
  });
}

/** `tcp_model_timeout()`: how long this many retries take, beginning at this RTO. */
function modelTimeout(retries: number, rto: number): number {
  const doublings = Math.floor(Math.log2(RTO_MAX / rto));
  if (retries <= doublings) return (2 ** (retries + 1) - 1) * rto;
  return (2 ** (doublings + 1) - 1) * rto + (retries - doublings) * RTO_MAX;
}

/** A retransmission timer, from its first retry on. */
interface Retries {
  /** How much of the limit has passed at the first retry. */
  readonly start: number;
  /** The timer waits so long after the first retry. */
  readonly wait: number;
  /** How many retries wait so long; with each one after them the wait doubles. */
  readonly waitsAlike: number;
  /** The connection is dropped at the first expiry at which this time has passed. */
  readonly limit: number;
  /** Whether a wait is cut short at the limit. */
  readonly cut: boolean;
  /** It is also dropped instead of one more retry than this. */
  readonly most: number;
}

/** The waits of a timer that is exact, and how much of the limit has passed at the end. */
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

function scheduleOf({ start, wait: firstWait, waitsAlike, limit, cut, most }: Retries): Schedule {
  const steps: Step[] = [];
  let end = start;
  let wait = firstWait;
  for (let retry = 0; retry < most && end < limit; ) {
    const left = limit - end;
    if (cut && left <= wait) {
      steps.push({ wait: left, times: 1 });
      end = limit;
      break;
    }
    // Waits at their longest are all alike, and a limit of weeks has thousands of them.
    const whole = cut ? Math.ceil(left / wait) - 1 : Math.ceil(left / wait);
    const times = wait === RTO_MAX ? Math.min(whole, most - retry) : 1;
    steps.push({ wait, times });
    end += times * wait;
    retry += times;
    if (retry >= waitsAlike) wait = Math.min(2 * wait, RTO_MAX);
  }
  // If the limit has passed before the first retry, the timer expires once more, at once.
  if (steps.length === 0) steps.push({ wait: 0, times: 1 });
  return { start, limit, cut, steps, end };
}

/** When a schedule ends at the earliest: if it goes beyond the limit, a late timer may end it there. */
function earliestExpiry({ start, limit, end }: Schedule): number {
  return Math.min(end, Math.max(start, limit));
}

/**
 * When a schedule ends at the latest on a kernel that ticks `hz` times a second. Follows the latest
 * moment of each expiry, among the connections that were not dropped at the one before.
 */
function latestExpiry({ start, steps, limit, cut }: Schedule, hz: number): number {
  let last = start === 0 ? 0 : start + lateness(start, hz);
  let latest = 0;
  for (const { wait, times } of steps) {
    const late = lateness(wait, hz);
    const reached = last + times * (wait + late);
    if (reached < limit) {
      last = reached;
      continue;
    }
    const after = Math.max(limit, last);
    latest = Math.max(latest, Math.min(reached, after + (cut ? late : wait + late)));
    last = Math.min(reached, after);
  }
  return Math.max(latest, last);
}

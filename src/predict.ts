import { lateness, latestRates } from './lateness.ts';
import type { KeepAliveInput, KeepAliveSettings } from './options.ts';
import { type DetectionSystem, parseSystem, type SystemSettings } from './system.ts';
import { parseKeepAliveOptions } from './validate.ts';

export type { DetectionSystem };

/** When something happens, in milliseconds; `Infinity` is never. */
export interface DetectionWindow {
  /** Not before this, whatever the timers do. */
  readonly earliest: number;
  /** What the options say, with timers that are exact. */
  readonly nominal: number;
  /** Not after this, with timers as late as Linux's may be. */
  readonly latest: number;
}

/** What the Linux kernel does with a connection whose peer no longer answers. */
export interface Detection {
  /**
   * When each unanswered probe goes out, from the last byte or ACK received: as many as timers that
   * are exact would send before the drop, of which the first 127 are listed.
   */
  readonly probes: readonly DetectionWindow[];
  /** When an idle connection is dropped, from the last byte or ACK received. */
  readonly idle: DetectionWindow;
  /** When a connection with unacknowledged data is dropped, from the write. */
  readonly unacknowledged: DetectionWindow;
  /** When a connection whose peer answers, but has no room, is dropped, from the write that found none. */
  readonly zeroWindow: DetectionWindow;
  /**
   * When an attempt to connect ends, from the SYN, **if the options are set before it is sent**.
   * This library sets them at `'connect'`, where they come too late for that.
   */
  readonly connecting: DetectionWindow;
}

/**
 * Says what the Linux kernel will do with these options when a peer vanishes: when each probe goes
 * out, and when the connection is dropped in each state it may be in.
 *
 * Options that are left out take the system's values, so `SO_KEEPALIVE` is off unless one of them
 * turns it on. Pure, and the same on every platform: it tells of Linux, wherever it runs.
 *
 * @example
 * predictDetection({ initialDelay: 60_000, interval: 10_000, count: 3 }).idle.nominal; // 90000
 *
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`
 * @see https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/net/ipv4/tcp_timer.c
 */
export function predictDetection(options: KeepAliveInput, system?: DetectionSystem): Detection {
  const host = parseSystem(system);
  const timers = timersOf(parseKeepAliveOptions(options), host);
  const rates = host.hz === undefined ? latestRates([timers.idle, timers.interval]) : [host.hz];
  const { unacknowledged, zeroWindow } = dataInFlight(timers.userTimeout, host);
  return {
    probes: timers.enable ? probesSent(timers, rates) : [],
    idle: timers.enable ? idleDrop(timers, rates) : NEVER,
    unacknowledged,
    zeroWindow,
    connecting: connectionAttempt(timers.userTimeout, host),
  };
}

/**
 * How many probes go unanswered before an idle connection is dropped: with timers that are exact,
 * and at least, whatever the timers do.
 *
 * @internal
 */
export function unansweredProbes(
  options: KeepAliveInput,
  system?: DetectionSystem,
): { nominal: number; least: number } {
  const host = parseSystem(system);
  const timers = timersOf(parseKeepAliveOptions(options), host);
  if (!timers.enable) return { nominal: 0, least: 0 };
  const rates = host.hz === undefined ? latestRates([timers.idle, timers.interval]) : [host.hz];
  return {
    nominal: dropTick(timers),
    least: Math.min(...rates.map((hz) => firstDropTick(timers, hz))),
  };
}

/**
 * How often a connection is probed on which nothing else is sent, and whose peer answers; `Infinity`
 * for never. After an answer the timer waits for `interval` first, also where that is the longer.
 *
 * @internal
 */
export function probePeriod(options: KeepAliveInput, system?: DetectionSystem): number {
  const { enable, idle, interval } = timersOf(parseKeepAliveOptions(options), parseSystem(system));
  return enable ? Math.max(idle, interval) : Infinity;
}

/** Shared, and frozen because it is. */
const NEVER: DetectionWindow = Object.freeze({ earliest: Infinity, nominal: Infinity, latest: Infinity });

/** As many probes as `count` may ask for; a user timeout of weeks would make millions. */
const PROBES_LISTED = 127;

/** The kernel's TCP_RTO_MIN and TCP_RTO_MAX, and the RTO of a first SYN, TCP_TIMEOUT_INIT. */
const RTO_MIN = 200;
const RTO_MAX = 120_000;
const RTO_OF_SYN = 1_000;

/** What distributions build their kernels with. An RTO that is not known is the least and one such tick. */
const COMMON_HZ = 250;

/** `net.ipv4.tcp_syn_linear_timeouts`: SYNs that are repeated without backing off, since Linux 6.5. */
const SYN_LINEAR_TIMEOUTS = 4;

/** The five options as the kernel holds them. */
interface Timers {
  readonly enable: boolean;
  readonly idle: number;
  readonly interval: number;
  readonly count: number;
  /** 0 is none. */
  readonly userTimeout: number;
}

function timersOf(settings: KeepAliveSettings, host: SystemSettings): Timers {
  return {
    enable: settings.enable ?? false,
    idle: settings.initialDelay ?? host.keepaliveTime,
    interval: settings.interval ?? host.keepaliveIntvl,
    count: settings.count ?? host.keepaliveProbes,
    userTimeout: settings.userTimeout ?? 0,
  };
}

// Idle. The keepalive timer's tick 0 sends the first probe, and each next tick one more, until a
// tick drops the connection instead: tick `count`, or with a user timeout the first tick after
// tick 0 at which that time has passed since the peer was last heard.

/**
 * When tick 0 comes at the latest. After a probe the timer waits for `interval`, also when the probe
 * is answered: where that is longer than `idle`, the peer vanishes in the middle of such a wait.
 */
function latestFirstTick({ idle, interval }: Timers, hz: number): number {
  const longer = Math.max(idle, interval);
  return longer + lateness(longer, hz);
}

/** When a tick comes at the latest, if all before it were as late as they can be. */
function latestTick(timers: Timers, tick: number, hz: number): number {
  const { interval } = timers;
  return latestFirstTick(timers, hz) + tick * (interval + lateness(interval, hz));
}

/** The tick that drops the connection when timers are exact. */
function dropTick({ idle, interval, count, userTimeout }: Timers): number {
  return userTimeout === 0 ? count : Math.max(1, Math.ceil((userTimeout - idle) / interval));
}

/** The first tick that may drop it: timers that are late may reach the user timeout a tick sooner. */
function firstDropTick(timers: Timers, hz: number): number {
  const { interval, count, userTimeout } = timers;
  if (userTimeout === 0) return count;
  const left = userTimeout - latestFirstTick(timers, hz);
  return Math.max(1, Math.ceil(left / (interval + lateness(interval, hz))));
}

function probesSent(timers: Timers, rates: readonly number[]): DetectionWindow[] {
  const { idle, interval } = timers;
  const count = Math.min(dropTick(timers), PROBES_LISTED);
  const paces = latestPaces(rates.map((hz) => paceAt(timers, count, hz)));
  const probes: DetectionWindow[] = [];
  for (let tick = 0; tick < count; tick++) {
    const nominal = idle + tick * interval;
    let last = nominal;
    for (const { first, step, end } of paces) {
      last = Math.max(last, tick === 0 ? first : Math.min(first + tick * step, end));
    }
    probes.push({ earliest: nominal, nominal, latest: Math.ceil(last) });
  }
  return probes;
}

/** How late probes may be at one rate of ticks: the first, each after it, and all of them. */
interface Pace {
  readonly first: number;
  readonly step: number;
  readonly end: number;
}

function paceAt(timers: Timers, count: number, hz: number): Pace {
  const { interval, userTimeout } = timers;
  const first = latestTick(timers, 0, hz);
  const step = interval + lateness(interval, hz);
  // A tick after tick 0 sends a probe only while the user timeout has not passed.
  const isCut = userTimeout !== 0 && first + count * step > userTimeout;
  return { first, step, end: isCut ? userTimeout + 1_000 / hz : Infinity };
}

/** The paces at which some probe may be the latest: at any other it is no later than at one of these. */
function latestPaces(paces: Pace[]): Pace[] {
  const latest: Pace[] = [];
  for (const pace of paces.sort((one, other) => other.first - one.first || other.step - one.step)) {
    if (!latest.some(({ step, end }) => step >= pace.step && end >= pace.end)) latest.push(pace);
  }
  return latest;
}

function idleDrop(timers: Timers, rates: readonly number[]): DetectionWindow {
  const nominal = timers.idle + dropTick(timers) * timers.interval;
  const earliest = rates.map((hz) => earliestIdleDrop(timers, hz));
  const latest = rates.map((hz) => latestIdleDrop(timers, hz));
  return covering(earliest, nominal, latest);
}

function earliestIdleDrop(timers: Timers, hz: number): number {
  const { idle, interval, userTimeout } = timers;
  // The kernel compares whole ticks, so up to one of the time it counts may not have passed.
  return Math.max(idle + firstDropTick(timers, hz) * interval, userTimeout - 1_000 / hz);
}

function latestIdleDrop(timers: Timers, hz: number): number {
  const { interval, userTimeout } = timers;
  const first = firstDropTick(timers, hz);
  const last = dropTick(timers);
  const latestFirst = latestTick(timers, first, hz);
  if (first === last) return latestFirst;
  // To be dropped at a later tick, the connection must have come to the one before it in time.
  const latestNext = userTimeout + 1_000 / hz + interval + lateness(interval, hz);
  return Math.max(latestFirst, Math.min(latestTick(timers, last, hz), latestNext));
}

// Data in flight, a full window, a SYN. These have a retransmission timer, which waits longer each
// time and is cut short at the user timeout. Where there is none, a length of time that is worked
// out from the number of retries takes its place, and cuts nothing short.

function dataInFlight(
  userTimeout: number,
  host: SystemSettings,
): Pick<Detection, 'unacknowledged' | 'zeroWindow'> {
  const rto = host.rto ?? RTO_MIN + 1_000 / (host.hz ?? COMMON_HZ);
  const schedule = dataSchedule(rto, userTimeout, host);
  const rates = host.hz === undefined ? latestRates([rto, ...waits(schedule)]) : [host.hz];
  // An RTO that is not known may be as short as the kernel has it.
  const earliest = (host.rto ?? RTO_MIN) + earliestExpiry(schedule);
  const unacknowledged: number[] = [];
  const zeroWindow: number[] = [];
  for (const hz of rates) {
    const latest = latestExpiry(schedule, hz);
    const lateRto = rto + lateness(rto, hz);
    // The clock of the retries starts with the first of them: one RTO after the write, and where
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

function dataSchedule(rto: number, userTimeout: number, host: SystemSettings): Schedule {
  const limit = userTimeout === 0 ? modelTimeout(host.tcpRetries2, RTO_MIN) : userTimeout;
  return scheduleOf({ start: 0, wait: 2 * rto, alike: 1, limit, cut: userTimeout !== 0, most: Infinity });
}

function connectionAttempt(userTimeout: number, host: SystemSettings): DetectionWindow {
  const schedule = synSchedule(SYN_LINEAR_TIMEOUTS, userTimeout, host);
  const beforeLinux65 = synSchedule(0, userTimeout, host);
  const rates =
    host.hz === undefined
      ? latestRates([RTO_OF_SYN, ...waits(schedule), ...waits(beforeLinux65)])
      : [host.hz];
  const latest: number[] = [];
  for (const hz of rates) latest.push(latestExpiry(schedule, hz), latestExpiry(beforeLinux65, hz));
  return covering([earliestExpiry(schedule), earliestExpiry(beforeLinux65)], schedule.end, latest);
}

/** The clock starts with the first SYN; its first retry comes one RTO later, whatever the user timeout. */
function synSchedule(linear: number, userTimeout: number, host: SystemSettings): Schedule {
  return scheduleOf({
    start: RTO_OF_SYN,
    wait: linear === 0 ? 2 * RTO_OF_SYN : RTO_OF_SYN,
    alike: Math.max(1, linear),
    limit: userTimeout === 0 ? modelTimeout(host.tcpSynRetries, RTO_OF_SYN) : userTimeout,
    cut: userTimeout !== 0,
    most: host.tcpSynRetries + linear,
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
  /** What the timer waits after the first retry, */
  readonly wait: number;
  /** and after so many retries in all, before it doubles with each. */
  readonly alike: number;
  /** The connection is dropped at the first expiry at which this time has passed. */
  readonly limit: number;
  /** Whether a wait is cut short at the limit. */
  readonly cut: boolean;
  /** It is also dropped instead of one more retry than this. */
  readonly most: number;
}

/** What a timer that is exact waits, and how much of the limit has passed at the end. */
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

function scheduleOf({ start, wait: firstWait, alike, limit, cut, most }: Retries): Schedule {
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
    if (retry >= alike) wait = Math.min(2 * wait, RTO_MAX);
  }
  // Where the limit has passed before the first retry, the timer expires once more, at once.
  if (steps.length === 0) steps.push({ wait: 0, times: 1 });
  return { start, limit, cut, steps, end };
}

function waits({ steps }: Schedule): number[] {
  return steps.map(({ wait }) => Math.max(wait, 1));
}

/** When a schedule ends at the earliest: where it goes beyond the limit, a late timer may end it there. */
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

/** The window that covers all of these, in whole milliseconds. */
function covering(earliest: readonly number[], nominal: number, latest: readonly number[]): DetectionWindow {
  return {
    earliest: Math.floor(Math.min(nominal, ...earliest)),
    nominal,
    latest: Math.ceil(Math.max(nominal, ...latest)),
  };
}

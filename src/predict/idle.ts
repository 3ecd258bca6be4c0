import type { KeepAliveSettings } from '../options/options.ts';
import type { SystemSettings } from './system.ts';
import { covering, type DetectionWindow, lateness } from './window.ts';

// An idle connection. Tick 0 of the keepalive timer sends the first probe, and each next tick one more, until
// a tick drops the connection instead: tick `count`, or with a user timeout the first tick after tick 0 at
// which that time has passed since the peer was last heard.

/** The largest `count`. A user timeout of weeks would list millions of probes. */
const PROBES_LISTED = 127;

/** The five options as the kernel holds them. */
export interface Timers {
  readonly enable: boolean;
  readonly idle: number;
  readonly interval: number;
  readonly count: number;
  /** 0 means none. */
  readonly userTimeout: number;
}

/** The options that are set, and the system's values for the others. */
export function timersOf(settings: KeepAliveSettings, system: SystemSettings): Timers {
  return {
    enable: settings.enable ?? false,
    idle: settings.initialDelay ?? system.keepaliveTime,
    interval: settings.interval ?? system.keepaliveIntvl,
    count: settings.count ?? system.keepaliveProbes,
    userTimeout: settings.userTimeout ?? 0,
  };
}

/**
 * When tick 0 comes at the latest. After a probe the timer waits for `interval`, even if it is answered. If
 * that is longer than `idle`, the peer may vanish in the middle of such a wait.
 */
function latestFirstTick({ idle, interval }: Timers, hz: number): number {
  const longer = Math.max(idle, interval);
  return longer + lateness(longer, hz);
}

/** When a tick comes at the latest: if all ticks before it were as late as possible. */
function latestTick(timers: Timers, tick: number, hz: number): number {
  const { interval } = timers;
  return latestFirstTick(timers, hz) + tick * (interval + lateness(interval, hz));
}

/** The tick that drops the connection if timers are exact. */
export function dropTick({ idle, interval, count, userTimeout }: Timers): number {
  return userTimeout === 0 ? count : Math.max(1, Math.ceil((userTimeout - idle) / interval));
}

/** The first tick that may drop the connection: late timers may reach the user timeout at an earlier tick. */
export function firstDropTick(timers: Timers, hz: number): number {
  const { interval, count, userTimeout } = timers;
  if (userTimeout === 0) return count;
  const left = userTimeout - latestFirstTick(timers, hz);
  return Math.max(1, Math.ceil(left / (interval + lateness(interval, hz))));
}

/**
 * The longest outage, from the last packet received on, after which a probe still goes out: until the last one before
 * the drop, however late timers run.
 */
export function idleOutage(timers: Timers, rates: readonly number[]): number {
  const drops = rates.map((hz) => firstDropTick(timers, hz));
  return timers.idle + (Math.min(...drops) - 1) * timers.interval;
}

/** When each probe goes out. */
export function probesSent(timers: Timers, rates: readonly number[]): DetectionWindow[] {
  const { idle, interval, userTimeout } = timers;
  const latestPaces = rates.map((hz) => ({
    first: latestTick(timers, 0, hz),
    step: interval + lateness(interval, hz),
    // A tick after tick 0 sends a probe only while the user timeout has not passed.
    end: userTimeout === 0 ? Infinity : userTimeout + 1_000 / hz,
  }));
  return Array.from({ length: Math.min(dropTick(timers), PROBES_LISTED) }, (_, tick) => {
    const nominal = idle + tick * interval;
    let latest = nominal;
    for (const { first, step, end } of latestPaces) {
      latest = Math.max(latest, tick === 0 ? first : Math.min(first + tick * step, end));
    }
    return { earliest: nominal, nominal, latest: Math.ceil(latest) };
  });
}

/** When the connection is dropped. */
export function idleDrop(timers: Timers, rates: readonly number[]): DetectionWindow {
  const nominal = timers.idle + dropTick(timers) * timers.interval;
  const earliest = rates.map((hz) => earliestIdleDrop(timers, hz));
  const latest = rates.map((hz) => latestIdleDrop(timers, hz));
  return covering(earliest, nominal, latest);
}

function earliestIdleDrop(timers: Timers, hz: number): number {
  const { idle, interval, userTimeout } = timers;
  // The kernel counts whole ticks of its clock, so the drop may come up to one of them early.
  return Math.max(idle + firstDropTick(timers, hz) * interval, userTimeout - 1_000 / hz);
}

function latestIdleDrop(timers: Timers, hz: number): number {
  const { interval, userTimeout } = timers;
  const latestFirst = latestTick(timers, firstDropTick(timers, hz), hz);
  const latestLast = latestTick(timers, dropTick(timers), hz);
  // A later tick drops the connection only if the tick before came within the user timeout.
  const latestNext = userTimeout + 1_000 / hz + interval + lateness(interval, hz);
  return Math.max(latestFirst, Math.min(latestLast, latestNext));
}

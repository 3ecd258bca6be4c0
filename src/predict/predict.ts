import type { KeepAliveInput } from '../options/options.ts';
import { parseKeepAliveOptions } from '../options/parse.ts';
import { dropTick, firstDropTick, idleDrop, idleOutage, probesSent, timersOf } from './idle.ts';
import {
  connectionAttempt,
  type DataWindow,
  dataInFlight,
  limitsOf,
  outageInFlight,
  windowFull,
} from './in-flight.ts';
import { type DetectionSystem, parseSystem } from './system.ts';
import { type DetectionWindow, NEVER, ratesOf } from './window.ts';

export type { DataWindow, DetectionSystem, DetectionWindow };

/**
 * When the Linux kernel acts on a connection whose peer no longer answers. Each time has a clock: that of an idle
 * connection starts with the last packet received, that of data with the write. A write into the silence starts it again,
 * so that a peer is noticed at most the sum of `idle` and `unacknowledged` after it vanished.
 */
export interface Detection {
  /**
   * When each unanswered probe goes out, from the last packet received: those that exact timers send
   * before the drop, at most 127.
   */
  readonly probes: readonly DetectionWindow[];
  /** When an idle connection is dropped, from the last packet received. */
  readonly idle: DetectionWindow;
  /** When a connection with unacknowledged data is dropped, from the write. */
  readonly unacknowledged: DataWindow;
  /** When a connection is dropped whose peer answers but has no room, from the write that found none. */
  readonly zeroWindow: DetectionWindow;
  /**
   * When an attempt to connect ends, from its first SYN, if the options are set by then or while it lasts: by a hold, a
   * driver module or a rule, but not by `setKeepAlive`, which needs a connected socket. With several addresses, each
   * attempt has a time of its own. A server that accepts and then says nothing is bounded by the driver's own timeout only.
   */
  readonly connecting: DetectionWindow;
  /** How long a living peer may be unreachable without the connection being dropped. */
  readonly survives: SurvivedOutages;
}

/** The longest outages, in milliseconds, after which a connection goes on. */
export interface SurvivedOutages {
  /**
   * Of an idle connection, from the last packet received: the outage ends before the last probe is sent. One that
   * begins just before the first probe must be shorter by `initialDelay`.
   */
  readonly idle: number;
  /**
   * With data in flight, from the write: the outage ends before the last retransmission. With `failOnUnreachable`, of an
   * outage that no router reports.
   */
  readonly unacknowledged: number;
}

/**
 * Predicts what the Linux kernel will do with these options when a peer vanishes: when each probe goes
 * out, and when the connection is dropped in each of its possible states.
 *
 * Options that are left out have the system's values, so `SO_KEEPALIVE` is off unless one of them turns it
 * on. Those that are given were set before the silence. This is a pure function that predicts for Linux, on whatever
 * platform it runs.
 *
 * @example
 * predictDetection({ initialDelay: 60_000, interval: 10_000, count: 3 }).idle.nominal; // 90000
 *
 * @param options - a preset's name, or options in milliseconds
 * @param system - the settings of the system, if they differ from Linux's defaults
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`
 * @see https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/net/ipv4/tcp_timer.c
 */
export function predictDetection(options: KeepAliveInput, system?: DetectionSystem): Detection {
  const checkedSystem = parseSystem(system);
  const settings = parseKeepAliveOptions(options);
  const timers = timersOf(settings, checkedSystem);
  const rates = ratesOf(checkedSystem);
  const limits = limitsOf(settings, checkedSystem);
  return {
    probes: timers.enable ? probesSent(timers, rates) : [],
    idle: timers.enable ? idleDrop(timers, rates) : NEVER,
    unacknowledged: dataInFlight(limits, checkedSystem),
    zeroWindow: windowFull(limits, checkedSystem),
    connecting: connectionAttempt(limits, checkedSystem),
    survives: {
      idle: timers.enable ? idleOutage(timers, rates) : Infinity,
      unacknowledged: outageInFlight(limits, checkedSystem),
    },
  };
}

/**
 * How many probes go unanswered before an idle connection is dropped: with exact timers, and at least.
 *
 * @internal
 */
export function unansweredProbes(
  options: KeepAliveInput,
  system?: DetectionSystem,
): { nominal: number; least: number } {
  const checkedSystem = parseSystem(system);
  const timers = timersOf(parseKeepAliveOptions(options), checkedSystem);
  if (!timers.enable) return { nominal: 0, least: 0 };
  const rates = ratesOf(checkedSystem);
  return {
    nominal: dropTick(timers),
    least: Math.min(...rates.map((hz) => firstDropTick(timers, hz))),
  };
}

/**
 * The time between probes of an idle connection whose peer answers; `Infinity` if there are none. After an
 * answer the timer waits for `interval`, even if that is longer than `initialDelay`.
 *
 * @internal
 */
export function probePeriod(options: KeepAliveInput): number {
  const { enable, idle, interval } = timersOf(parseKeepAliveOptions(options), parseSystem());
  return enable ? Math.max(idle, interval) : Infinity;
}

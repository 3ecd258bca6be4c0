import { type FieldTable, optional, otherwise, readFields, within } from '../options/fields.ts';
import { optionRanges } from '../options/options.ts';

/**
 * The settings of a Linux system, for a prediction. Times are in milliseconds; a field that is left out has
 * the default of Linux.
 */
export interface DetectionSystem {
  /**
   * Timer ticks a second: the kernel's `CONFIG_HZ`.
   *
   * @default 100, 250, 300 and 1000, the rates of distributions: the prediction covers each of them
   */
  readonly hz?: number | undefined;

  /**
   * The connection's retransmission timeout, as `getTcpInfo()` reads it: the round trip and its
   * variation, at least `rtoMin`. Linux remembers it for each peer (`ip tcp_metrics`), so that a new connection may
   * begin with another one: of 9 s, with a peer nearby that was once far away.
   *
   * @default that of a near peer: the minimum and one tick, 204 if `hz` is 250
   */
  readonly rto?: number | undefined;

  /** `net.ipv4.tcp_rto_min_us`, here in milliseconds: the least retransmission timeout. @default 200 */
  readonly rtoMin?: number | undefined;

  /**
   * `net.ipv4.tcp_rto_max_ms`, which `maxRetransmitInterval` replaces: the longest pause between two
   * retransmissions, since Linux 6.15. @default 120 000
   */
  readonly rtoMax?: number | undefined;

  /** `net.ipv4.tcp_retries2`: how often data is retransmitted. @default 15 */
  readonly tcpRetries2?: number | undefined;

  /** `net.ipv4.tcp_syn_retries`: how often a SYN is retransmitted. @default 6 */
  readonly tcpSynRetries?: number | undefined;

  /**
   * `net.ipv4.tcp_syn_linear_timeouts`: how many SYNs are repeated without backing off.
   *
   * @default 4, and none before Linux 6.5: the prediction covers both
   */
  readonly synLinearTimeouts?: number | undefined;

  /** `net.ipv4.tcp_keepalive_time`, which `initialDelay` replaces. @default 7 200 000, two hours */
  readonly keepaliveTime?: number | undefined;

  /** `net.ipv4.tcp_keepalive_intvl`, which `interval` replaces. @default 75 000 */
  readonly keepaliveIntvl?: number | undefined;

  /** `net.ipv4.tcp_keepalive_probes`, which `count` replaces. @default 9 */
  readonly keepaliveProbes?: number | undefined;
}

/** A checked system with all defaults; fields without a default of Linux stay `undefined` if they are not known. */
export interface SystemSettings extends DetectionSystem {
  readonly rtoMin: number;
  readonly rtoMax: number;
  readonly tcpRetries2: number;
  readonly tcpSynRetries: number;
  readonly keepaliveTime: number;
  readonly keepaliveIntvl: number;
  readonly keepaliveProbes: number;
}

/** The kernel's TCP_RTO_MIN and TCP_RTO_MAX. */
export const RTO_MIN = 200;
export const RTO_MAX = 120_000;

// A sysctl may hold more than the option that replaces it.
const sysctlTime = within({ min: 1_000, max: 2_147_483_000, unit: 'milliseconds' });

export const systemFields: FieldTable<SystemSettings> = {
  hz: optional(within({ min: 24, max: 1_200, unit: 'ticks a second' })),
  rto: optional(within({ min: 1, max: 120_000, unit: 'milliseconds' })),
  rtoMin: otherwise(within({ min: 0.001, max: 120_000, unit: 'milliseconds' }), RTO_MIN),
  rtoMax: otherwise(within(optionRanges.maxRetransmitInterval), RTO_MAX),
  tcpRetries2: otherwise(within({ min: 0, max: 255, unit: 'retransmissions' }), 15),
  tcpSynRetries: otherwise(within({ min: 1, max: 127, unit: 'retransmissions' }), 6),
  synLinearTimeouts: optional(within({ min: 0, max: 127, unit: 'retransmissions' })),
  keepaliveTime: otherwise(sysctlTime, 7_200_000),
  keepaliveIntvl: otherwise(sysctlTime, 75_000),
  keepaliveProbes: otherwise(within({ min: 0, max: 255, unit: 'probes' }), 9),
};

/**
 * The longest retransmission timeout to expect on a path: three round trips after the first one was measured, and one
 * and the kernel's minimum once it has settled.
 */
export function rtoOfRoundTrip(roundTrip: number): number {
  return Math.min(Math.max(3 * roundTrip, roundTrip + RTO_MIN), RTO_MAX);
}

/**
 * Checks a system and fills it with the defaults of Linux.
 *
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`
 */
export function parseSystem(system: DetectionSystem = {}): SystemSettings {
  return readFields('a system such as { hz: 250 }', system, systemFields);
}

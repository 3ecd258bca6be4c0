import { invalidOption, readable, shown } from '../options/errors.ts';
import { checkRange, expectKnownFields, type Range } from '../options/fields.ts';

/**
 * The system on which connections live, as a prediction sees it. Times are in milliseconds, as
 * everywhere in this library; each field that is left out takes the value that Linux starts with.
 */
export interface DetectionSystem {
  /**
   * Timer ticks a second: the kernel's `CONFIG_HZ`.
   *
   * @default every rate from 100 to 1000, so that the window holds on any kernel
   */
  readonly hz?: number | undefined;

  /**
   * The connection's retransmission timeout, as `getTcpInfo()` reads it: the round trip and its
   * variation, at least 200 ms.
   *
   * @default what a peer nearby has: the least, rounded up by one tick, so 204 where `hz` is 250
   */
  readonly rto?: number | undefined;

  /** `net.ipv4.tcp_retries2`: how often data is retransmitted. @default 15 */
  readonly tcpRetries2?: number | undefined;

  /** `net.ipv4.tcp_syn_retries`: how often a SYN is retransmitted. @default 6 */
  readonly tcpSynRetries?: number | undefined;

  /** `net.ipv4.tcp_keepalive_time`, which `initialDelay` replaces. @default 7 200 000, two hours */
  readonly keepaliveTime?: number | undefined;

  /** `net.ipv4.tcp_keepalive_intvl`, which `interval` replaces. @default 75 000 */
  readonly keepaliveIntvl?: number | undefined;

  /** `net.ipv4.tcp_keepalive_probes`, which `count` replaces. @default 9 */
  readonly keepaliveProbes?: number | undefined;
}

/** A system whose fields were checked and filled; `hz` and `rto` stay unknown where they were. */
export interface SystemSettings extends DetectionSystem {
  readonly tcpRetries2: number;
  readonly tcpSynRetries: number;
  readonly keepaliveTime: number;
  readonly keepaliveIntvl: number;
  readonly keepaliveProbes: number;
}

const linuxDefaults: SystemSettings = Object.freeze({
  tcpRetries2: 15,
  tcpSynRetries: 6,
  keepaliveTime: 7_200_000,
  keepaliveIntvl: 75_000,
  keepaliveProbes: 9,
});

const ranges: { readonly [name in keyof DetectionSystem]-?: Range } = {
  hz: { min: 24, max: 1_200, unit: 'ticks a second' },
  rto: { min: 1, max: 120_000, unit: 'milliseconds' },
  tcpRetries2: { min: 0, max: 255, unit: 'retransmissions' },
  tcpSynRetries: { min: 1, max: 127, unit: 'retransmissions' },
  // Sysctls may hold more than the options take that replace them.
  keepaliveTime: { min: 1_000, max: 2_147_483_000, unit: 'milliseconds' },
  keepaliveIntvl: { min: 1_000, max: 2_147_483_000, unit: 'milliseconds' },
  keepaliveProbes: { min: 0, max: 255, unit: 'probes' },
};

const fieldNames = Object.keys(ranges);

/**
 * Checks a system and fills it with Linux's own values.
 *
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`
 */
export function parseSystem(system: DetectionSystem | undefined): SystemSettings {
  return system === undefined ? linuxDefaults : readable('a system', () => readSystem(system));
}

function readSystem(system: DetectionSystem): SystemSettings {
  if (typeof system !== 'object' || system === null) {
    throw invalidOption(`Expected the system to be an object, got ${shown(system)}`, TypeError);
  }
  expectKnownFields(system, fieldNames);
  return {
    hz: checkField('hz', system.hz),
    rto: checkField('rto', system.rto),
    tcpRetries2: checkField('tcpRetries2', system.tcpRetries2) ?? linuxDefaults.tcpRetries2,
    tcpSynRetries: checkField('tcpSynRetries', system.tcpSynRetries) ?? linuxDefaults.tcpSynRetries,
    keepaliveTime: checkField('keepaliveTime', system.keepaliveTime) ?? linuxDefaults.keepaliveTime,
    keepaliveIntvl: checkField('keepaliveIntvl', system.keepaliveIntvl) ?? linuxDefaults.keepaliveIntvl,
    keepaliveProbes: checkField('keepaliveProbes', system.keepaliveProbes) ?? linuxDefaults.keepaliveProbes,
  };
}

function checkField(name: keyof DetectionSystem, value: unknown): number | undefined {
  return value === undefined ? undefined : checkRange(name, value, ranges[name]);
}

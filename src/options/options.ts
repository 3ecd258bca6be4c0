import type { OptionName } from '../../native-bindings/platforms/table.ts';
import type { PresetName } from './presets.ts';

export type { OptionName };

/**
 * The options of a connection, named as in Node. A field that is absent or `undefined` stays as it is in
 * the kernel.
 */
export interface KeepAliveOptions {
  /**
   * Whether to send keepalive probes at all.
   *
   * Sets `SO_KEEPALIVE`, on every system.
   *
   * @default `true` when `initialDelay`, `interval` or `count` is given; else left alone
   */
  readonly enable?: boolean | undefined;

  /**
   * Silence before the first probe, in milliseconds: 1 000 to 32 767 000.
   *
   * Sets `TCP_KEEPALIVE` on macOS and `TCP_KEEPIDLE` elsewhere. OpenBSD has no such option. Kernels
   * count in seconds, so the value is rounded up.
   *
   * @default leaves the system's value, usually two hours
   */
  readonly initialDelay?: number | undefined;

  /**
   * Time between unanswered probes, in milliseconds: 1 000 to 32 767 000.
   *
   * Sets `TCP_KEEPINTVL`. OpenBSD has no such option, nor Node on Windows before 24.19 and 26.4.
   * Kernels count in seconds, so the value is rounded up.
   *
   * @default leaves the system's value, usually 75 seconds
   */
  readonly interval?: number | undefined;

  /**
   * Unanswered probes before the connection is dropped: 1 to 127.
   *
   * Sets `TCP_KEEPCNT`. OpenBSD has no such option, nor Node on Windows before 24.19 and 26.4. Linux
   * ignores it once a user timeout is set, and drops at the first tick after that time instead.
   *
   * @default leaves the system's value, usually 9
   */
  readonly count?: number | undefined;

  /**
   * How long sent data may stay unacknowledged before the connection is dropped, in milliseconds:
   * 1 000 to 2 147 483 647, or 0 for the system's own (about 15 minutes on Linux). It also drops a
   * living peer that has not read for that long.
   *
   * `'auto'` means `initialDelay + interval * count - min(interval / 2, 500)`, just under the time after
   * which `count` probes are unanswered, and needs the other three.
   *
   * Sets `TCP_USER_TIMEOUT` on Linux, `TCP_RXT_CONNDROPTIME` on macOS and `TCP_MAXUNACKTIME` on
   * FreeBSD 14, the last two in seconds, rounded up. Other systems have no such option, and Node
   * sets none on Windows.
   *
   * @see https://www.rfc-editor.org/rfc/rfc5482
   * @default leaves the system's value
   */
  readonly userTimeout?: number | 'auto' | undefined;

  /**
   * The longest pause between two retransmissions of unacknowledged data, in milliseconds: 1 000 to 120 000. The
   * pauses double, so that without this a connection does not try again in the second half of its user timeout, and
   * ends although its peer is back.
   *
   * `'auto'` means an eighth of `userTimeout`, at least 1 s and at most 120 s, and nothing if that is 0 or left out.
   * It also bounds data in flight if there is no user timeout: 2 000 gives up after about 28 s. An attempt to
   * connect tries again sooner with it, and may end before `userTimeout`.
   *
   * Sets `TCP_RTO_MAX_MS`, which Linux has since 6.15, rounded up to a tick of its clock. It only tunes: if the system
   * lacks it, it is named in `skipped`, and never an error, not even with `strict`.
   *
   * @see https://docs.kernel.org/networking/ip-sysctl.html
   * @default leaves the system's value, usually 120 seconds
   */
  readonly maxRetransmitInterval?: number | 'auto' | undefined;

  /**
   * Whether a router's report that the peer is unreachable (ICMP) ends a connection with data in flight at once, with
   * `EHOSTUNREACH` or the like. Linux otherwise treats it as a hint and goes on trying, even beyond `userTimeout`. A host
   * that was off behind its router was noticed after 3.1 s, where a `userTimeout` of 10.5 s took 10.9.
   *
   * **It also ends a living connection while a route changes**, which RFC 1122 (4.2.3.9) forbids for that reason, and
   * anybody who can guess its ports and sequence numbers can send such a report. Use it where connecting again is cheap
   * and leads elsewhere, as in a failover to another address; not for tunnels, uploads or long transactions. An idle
   * connection and one with a full window are not affected, nor is connecting, which such a report ends anyway. A socket
   * that is paused hears of it at its next read or write.
   *
   * Sets `IP_RECVERR` and, on a socket of IPv6, `IPV6_RECVERR` too. Linux only; Multipath TCP lacks it.
   *
   * @see https://www.rfc-editor.org/rfc/rfc1122#section-4.2.3.9
   * @see https://man7.org/linux/man-pages/man7/ip.7.html
   * @default leaves the system's value: off
   */
  readonly failOnUnreachable?: boolean | undefined;
}

/** Options, or the name of a preset. */
export type KeepAliveInput = PresetName | KeepAliveOptions;

/** Checked {@link KeepAliveOptions}: in range, rounded as kernels count, and with `'auto'` computed. */
export interface KeepAliveSettings {
  readonly enable?: boolean;
  readonly initialDelay?: number;
  readonly interval?: number;
  readonly count?: number;
  readonly userTimeout?: number;
  readonly maxRetransmitInterval?: number;
  readonly failOnUnreachable?: boolean;
}

/** The range of each option that is a number, in the order of {@link KeepAliveOptions}. */
export const optionRanges: {
  readonly [name in Exclude<OptionName, FlagName>]: {
    readonly min: number;
    readonly max: number;
    /** The step in which kernels count; a value between two steps is rounded up. */
    readonly step: number;
    readonly unit: 'milliseconds' | 'probes';
  };
} = {
  initialDelay: { min: 1_000, max: 32_767_000, step: 1_000, unit: 'milliseconds' },
  interval: { min: 1_000, max: 32_767_000, step: 1_000, unit: 'milliseconds' },
  count: { min: 1, max: 127, step: 1, unit: 'probes' },
  userTimeout: { min: 1_000, max: 2_147_483_647, step: 1, unit: 'milliseconds' },
  maxRetransmitInterval: { min: 1_000, max: 120_000, step: 1, unit: 'milliseconds' },
};

/** The names of all options. */
export const optionNames: readonly OptionName[] = Object.freeze([
  'enable',
  'initialDelay',
  'interval',
  'count',
  'userTimeout',
  'maxRetransmitInterval',
  'failOnUnreachable',
]);

/** Whether a timer is given that turns probes on by itself. */
export function hasProbeTimer({ initialDelay, interval, count }: KeepAliveOptions): boolean {
  return [initialDelay, interval, count].some((timer) => timer !== undefined);
}

/** The options that are true or false. */
type FlagName = 'enable' | 'failOnUnreachable';

/** Whether an option is true or false, and not a number. */
export function isFlag(name: string): name is FlagName {
  return name === 'enable' || name === 'failOnUnreachable';
}

/** Whether a connection without this option still works as asked, so that lacking it is never an error. */
export function onlyTunes(name: OptionName): boolean {
  return name === 'maxRetransmitInterval';
}

/** The longest tick of a kernel's clock, in milliseconds. */
const LONGEST_TICK = 10;

/** Whether a value that a kernel reads back is the one that was set. */
export function isReadBack(name: OptionName, set: number | boolean, read: number | boolean): boolean {
  if (name !== 'maxRetransmitInterval') return read === set;
  // Linux keeps this one in ticks of its clock.
  const rounded = Number(read) - Number(set);
  return rounded >= 0 && rounded < LONGEST_TICK;
}

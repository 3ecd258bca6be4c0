/** The options of a connection, by their names in this library. */
export type OptionName =
  | 'enable'
  | 'initialDelay'
  | 'interval'
  | 'count'
  | 'userTimeout'
  | 'maxRetransmitInterval'
  | 'failOnUnreachable';

/** The unit in which a kernel counts an option. The library itself counts in milliseconds. */
export type Unit = 'none' | 'second' | 'millisecond';

/** One option in a kernel: the arguments of `setsockopt(2)`, and the unit of its value. */
export interface OptionEntry {
  readonly level: number;
  readonly name: number;
  readonly unit: Unit;
  /** The kernel's own name, for messages. */
  readonly constant: string;
  /** What an older release has in its place, if it refuses this one. */
  readonly older?: OptionEntry;
  /** Further options of the kernel that get the same value, for other states of the connection. */
  readonly also?: readonly OptionEntry[];
}

/** One platform. An option that the platform lacks has no row. */
export type OptionTable = Readonly<Partial<Record<OptionName, OptionEntry>>>;

/** `IPPROTO_TCP` is assigned by IANA and is the same on every system. */
export const IPPROTO_TCP = 6;

/** The level of options that only sockets of IPv6 have, on Linux. */
export const IPPROTO_IPV6 = 41;

/** Berkeley's `SOL_SOCKET` and `SO_KEEPALIVE`, which every system but Linux kept. */
export const BSD_SO_KEEPALIVE: OptionEntry = {
  level: 0xffff,
  name: 8,
  unit: 'none',
  constant: 'SO_KEEPALIVE',
};

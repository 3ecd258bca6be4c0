import { BSD_SO_KEEPALIVE, IPPROTO_TCP, type OptionEntry, type OptionTable } from './table.ts';

// A peer that answers but has no room (a zero window), and one that never answered the SYN, each have an option of
// their own.
const PERSIST_TIMEOUT: OptionEntry = {
  level: IPPROTO_TCP,
  name: 0x40,
  unit: 'second',
  constant: 'PERSIST_TIMEOUT',
};
const TCP_CONNECTIONTIMEOUT: OptionEntry = {
  level: IPPROTO_TCP,
  name: 0x20,
  unit: 'second',
  constant: 'TCP_CONNECTIONTIMEOUT',
};

/**
 * macOS. The bound on unacknowledged data is `TCP_RXT_CONNDROPTIME`, in seconds: how long a segment is
 * retransmitted before the connection is dropped, counted from the first retransmission.
 *
 * @see https://github.com/apple-oss-distributions/xnu/blob/main/bsd/netinet/tcp.h
 */
export const darwin: OptionTable = {
  userTimeout: {
    level: IPPROTO_TCP,
    name: 0x80,
    unit: 'second',
    constant: 'TCP_RXT_CONNDROPTIME',
    also: [PERSIST_TIMEOUT, TCP_CONNECTIONTIMEOUT],
  },
  initialDelay: { level: IPPROTO_TCP, name: 0x10, unit: 'second', constant: 'TCP_KEEPALIVE' },
  interval: { level: IPPROTO_TCP, name: 0x101, unit: 'second', constant: 'TCP_KEEPINTVL' },
  count: { level: IPPROTO_TCP, name: 0x102, unit: 'none', constant: 'TCP_KEEPCNT' },
  enable: BSD_SO_KEEPALIVE,
};

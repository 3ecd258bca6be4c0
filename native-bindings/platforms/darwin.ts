import { BSD_SO_KEEPALIVE, IPPROTO_TCP, type OptionTable } from './table.ts';

/**
 * macOS. The bound on unacknowledged data is `TCP_RXT_CONNDROPTIME`, in seconds: how long a segment is
 * retransmitted before the connection is dropped.
 *
 * @see https://github.com/apple-oss-distributions/xnu/blob/main/bsd/netinet/tcp.h
 */
export const darwin: OptionTable = {
  userTimeout: { level: IPPROTO_TCP, name: 0x80, unit: 'second', constant: 'TCP_RXT_CONNDROPTIME' },
  initialDelay: { level: IPPROTO_TCP, name: 0x10, unit: 'second', constant: 'TCP_KEEPALIVE' },
  interval: { level: IPPROTO_TCP, name: 0x101, unit: 'second', constant: 'TCP_KEEPINTVL' },
  count: { level: IPPROTO_TCP, name: 0x102, unit: 'none', constant: 'TCP_KEEPCNT' },
  enable: BSD_SO_KEEPALIVE,
};

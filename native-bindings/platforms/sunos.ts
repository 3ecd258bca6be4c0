import { BSD_SO_KEEPALIVE, IPPROTO_TCP, type OptionTable } from './table.ts';

/**
 * illumos, which Node calls `sunos`. The numbers of interval and count are swapped, compared with other systems. The
 * kernel refuses an interval over its longest retransmission timeout, 60 s, with `EINVAL`, and an older one a delay under
 * 10 s. Unacknowledged data is bounded by `TCP_ABORT_THRESHOLD`. koffi ships no binary for illumos, so this table is used
 * only if koffi was compiled there.
 *
 * @see https://github.com/illumos/illumos-gate/blob/master/usr/src/uts/common/netinet/tcp.h
 */
export const illumos: OptionTable = {
  userTimeout: { level: IPPROTO_TCP, name: 0x11, unit: 'millisecond', constant: 'TCP_ABORT_THRESHOLD' },
  initialDelay: { level: IPPROTO_TCP, name: 0x22, unit: 'second', constant: 'TCP_KEEPIDLE' },
  interval: { level: IPPROTO_TCP, name: 0x24, unit: 'second', constant: 'TCP_KEEPINTVL' },
  count: { level: IPPROTO_TCP, name: 0x23, unit: 'none', constant: 'TCP_KEEPCNT' },
  enable: BSD_SO_KEEPALIVE,
};

/**
 * Oracle Solaris from 11.4 on, which Node calls `sunos` too. A delay under 10 s is refused with `EINVAL`. The option that
 * would bound unacknowledged data could not be verified, so it has no row. koffi ships no binary for it either.
 *
 * @see https://docs.oracle.com/cd/E88353_01/html/E37851/tcp-4p.html
 */
export const solaris: OptionTable = {
  initialDelay: { level: IPPROTO_TCP, name: 0x1d, unit: 'second', constant: 'TCP_KEEPIDLE' },
  interval: { level: IPPROTO_TCP, name: 0x1e, unit: 'second', constant: 'TCP_KEEPINTVL' },
  count: { level: IPPROTO_TCP, name: 0x1f, unit: 'none', constant: 'TCP_KEEPCNT' },
  enable: BSD_SO_KEEPALIVE,
};

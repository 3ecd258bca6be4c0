import { BSD_SO_KEEPALIVE, IPPROTO_TCP, type OptionTable } from './table.ts';

/**
 * illumos, which Node calls `sunos`. The numbers of interval and count are swapped, compared with other
 * systems. The kernel refuses a time under 10 s with `EINVAL`. The option that would bound unacknowledged
 * data (`TCP_ABORT_THRESHOLD`) could not be verified, so it has no row. koffi ships no binary for illumos,
 * so this table is used only if koffi was compiled there.
 *
 * @see https://github.com/illumos/illumos-gate/blob/master/usr/src/uts/common/netinet/tcp.h
 */
export const sunos: OptionTable = {
  initialDelay: { level: IPPROTO_TCP, name: 34, unit: 'second', constant: 'TCP_KEEPIDLE' },
  interval: { level: IPPROTO_TCP, name: 36, unit: 'second', constant: 'TCP_KEEPINTVL' },
  count: { level: IPPROTO_TCP, name: 35, unit: 'none', constant: 'TCP_KEEPCNT' },
  enable: BSD_SO_KEEPALIVE,
};

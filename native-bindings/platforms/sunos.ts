import { BSD_SO_KEEPALIVE, IPPROTO_TCP, type OptionTable } from './table.ts';

/**
 * illumos, which Node calls `sunos`. Mind that interval and count are the other way round than
 * elsewhere. A time under 10 s is refused by the kernel with `EINVAL`. The option that would bound
 * unacknowledged data (`TCP_ABORT_THRESHOLD`) could not be verified, so it has no row. koffi ships
 * no binary for illumos, so this table is used only where koffi has been built there.
 *
 * @see https://github.com/illumos/illumos-gate/blob/master/usr/src/uts/common/netinet/tcp.h
 */
export const sunos: OptionTable = {
  initialDelay: { level: IPPROTO_TCP, name: 34, unit: 'second', constant: 'TCP_KEEPIDLE' },
  interval: { level: IPPROTO_TCP, name: 36, unit: 'second', constant: 'TCP_KEEPINTVL' },
  count: { level: IPPROTO_TCP, name: 35, unit: 'none', constant: 'TCP_KEEPCNT' },
  enable: BSD_SO_KEEPALIVE,
};

import { BSD_SO_KEEPALIVE, IPPROTO_TCP, type OptionTable } from './table.ts';

/**
 * NetBSD. Nothing bounds unacknowledged data. koffi ships no binary for NetBSD, so this table is
 * used only if koffi was compiled there.
 *
 * @see https://man.netbsd.org/tcp.4
 */
export const netbsd: OptionTable = {
  initialDelay: { level: IPPROTO_TCP, name: 3, unit: 'second', constant: 'TCP_KEEPIDLE' },
  interval: { level: IPPROTO_TCP, name: 5, unit: 'second', constant: 'TCP_KEEPINTVL' },
  count: { level: IPPROTO_TCP, name: 6, unit: 'none', constant: 'TCP_KEEPCNT' },
  enable: BSD_SO_KEEPALIVE,
};

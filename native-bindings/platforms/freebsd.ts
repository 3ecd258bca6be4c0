import { BSD_SO_KEEPALIVE, IPPROTO_TCP, type OptionTable } from './table.ts';

/**
 * FreeBSD. The bound on unacknowledged data is `TCP_MAXUNACKTIME`, in seconds, from FreeBSD 14 on. Earlier
 * releases answer `ENOPROTOOPT`, and the option is then named as skipped.
 *
 * @see https://man.freebsd.org/cgi/man.cgi?query=tcp&sektion=4
 */
export const freebsd: OptionTable = {
  userTimeout: { level: IPPROTO_TCP, name: 68, unit: 'second', constant: 'TCP_MAXUNACKTIME' },
  initialDelay: { level: IPPROTO_TCP, name: 256, unit: 'second', constant: 'TCP_KEEPIDLE' },
  interval: { level: IPPROTO_TCP, name: 512, unit: 'second', constant: 'TCP_KEEPINTVL' },
  count: { level: IPPROTO_TCP, name: 1024, unit: 'none', constant: 'TCP_KEEPCNT' },
  enable: BSD_SO_KEEPALIVE,
};

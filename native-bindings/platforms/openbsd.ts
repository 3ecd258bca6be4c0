import { BSD_SO_KEEPALIVE, type OptionTable } from './table.ts';

/**
 * OpenBSD. The timers exist only for the whole machine (`sysctl net.inet.tcp.keepidle`), and
 * nothing bounds unacknowledged data.
 *
 * @see https://man.openbsd.org/tcp.4
 */
export const openbsd: OptionTable = {
  enable: BSD_SO_KEEPALIVE,
};

import { BSD_SO_KEEPALIVE, IPPROTO_IPV6, IPPROTO_TCP, type OptionEntry, type OptionTable } from './table.ts';

// On a socket of IPv6 the family of the packets decides which of the two works: those of an IPv4-mapped address are IPv4.
const IPV6_RECVERR: OptionEntry = { level: IPPROTO_IPV6, name: 25, unit: 'none', constant: 'IPV6_RECVERR' };

/**
 * Linux and Android, with any C library. A kernel before 6.15 answers `ENOPROTOOPT` to `TCP_RTO_MAX_MS`, and the
 * option is then named as skipped.
 *
 * @see https://man7.org/linux/man-pages/man7/tcp.7.html
 * @see https://man7.org/linux/man-pages/man7/ip.7.html
 * @see https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/include/uapi/linux/tcp.h
 */
export const linux: OptionTable = {
  userTimeout: { level: IPPROTO_TCP, name: 18, unit: 'millisecond', constant: 'TCP_USER_TIMEOUT' },
  maxRetransmitInterval: { level: IPPROTO_TCP, name: 44, unit: 'millisecond', constant: 'TCP_RTO_MAX_MS' },
  initialDelay: { level: IPPROTO_TCP, name: 4, unit: 'second', constant: 'TCP_KEEPIDLE' },
  interval: { level: IPPROTO_TCP, name: 5, unit: 'second', constant: 'TCP_KEEPINTVL' },
  count: { level: IPPROTO_TCP, name: 6, unit: 'none', constant: 'TCP_KEEPCNT' },
  failOnUnreachable: { level: 0, name: 11, unit: 'none', constant: 'IP_RECVERR', also: [IPV6_RECVERR] },
  enable: { level: 1, name: 9, unit: 'none', constant: 'SO_KEEPALIVE' },
};

/**
 * Linux on MIPS and SPARC, which took the socket level's numbers from the Unix systems of those machines.
 *
 * @see https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/arch/mips/include/uapi/asm/socket.h
 */
export const linuxMips: OptionTable = { ...linux, enable: BSD_SO_KEEPALIVE };

/** The error of a socket, which reading takes out of the kernel. */
const SO_ERROR: OptionEntry = { level: 1, name: 4, unit: 'none', constant: 'SO_ERROR' };
const BSD_SO_ERROR: OptionEntry = { level: 0xffff, name: 0x1007, unit: 'none', constant: 'SO_ERROR' };

/** The error of a socket, by the table of its machine. */
export function errorEntry(table: OptionTable): OptionEntry {
  return table.enable?.level === BSD_SO_ERROR.level ? BSD_SO_ERROR : SO_ERROR;
}

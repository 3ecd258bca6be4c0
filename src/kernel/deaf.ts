import type { OptionEntry } from '../../native-bindings/platforms/table.ts';
import { setOption } from '../../native-bindings/sockopt.ts';
import { isSystemCallError } from '../../native-bindings/system-error.ts';
import { meaningOf } from './settings.ts';

/** The numbers of Linux, which alone drops packets by their TTL: `include/uapi/linux/in.h` and `in6.h`. */
const IP_MINTTL: OptionEntry = { level: 0, name: 21, unit: 'none', constant: 'IP_MINTTL' };
const IPV6_MINHOPCOUNT: OptionEntry = { level: 41, name: 73, unit: 'none', constant: 'IPV6_MINHOPCOUNT' };

/** The highest TTL that a packet can have. Loopback and Linux send with 64, Windows with 128. */
const HIGHEST_TTL = 255;

/**
 * Makes a TCP descriptor deaf, or lets it hear again. The kernel silently drops every packet that arrives for a
 * deaf one with a TTL under 255, before TCP sees it: for this end the peer has vanished. A deaf listener ignores
 * every SYN. No privilege is needed, and what the descriptor sends still arrives.
 *
 * @throws `ERR_KEEPALIVE_UNSUPPORTED` if koffi cannot be loaded, `ERR_KEEPALIVE_NOT_TCP`, or the system call's error
 * @see https://man7.org/linux/man-pages/man7/ip.7.html
 */
export function setDeaf(fd: number, deaf: boolean): void {
  const least = deaf ? HIGHEST_TTL : 0;
  try {
    setOption(fd, IP_MINTTL, least);
    setMinimumHopCount(fd, least);
  } catch (error) {
    throw meaningOf(error);
  }
}

/**
 * On a socket of IPv6 the family of its packets decides which option works: IPv4-mapped addresses receive packets
 * of IPv4. The other option is accepted there and does nothing, so both are written. A socket of IPv4 lacks this one.
 */
function setMinimumHopCount(fd: number, least: number): void {
  try {
    setOption(fd, IPV6_MINHOPCOUNT, least);
  } catch (error) {
    if (!isSystemCallError(error) || error.code !== 'ENOPROTOOPT') throw error;
  }
}

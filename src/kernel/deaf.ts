import { IPPROTO_IPV6, type OptionEntry } from '../../native-bindings/platforms/table.ts';
import { getOption, setOption } from '../../native-bindings/sockopt.ts';
import { meaningOf, unlessIpv4 } from './settings.ts';

/** The numbers of Linux, which alone drops packets by their TTL: `include/uapi/linux/in.h` and `in6.h`. */
const IP_MINTTL: OptionEntry = { level: 0, name: 21, unit: 'none', constant: 'IP_MINTTL' };
const IPV6_MINHOPCOUNT: OptionEntry = {
  level: IPPROTO_IPV6,
  name: 73,
  unit: 'none',
  constant: 'IPV6_MINHOPCOUNT',
};

/** The highest TTL that a packet can have. Loopback and Linux send with 64, Windows with 128. */
const HIGHEST_TTL = 255;

/** The least TTL of a packet that is heard, and on a socket of IPv6 its least hop count. */
export interface Hearing {
  readonly ttl: number;
  readonly hops: number;
}

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
  setHearing(fd, { ttl: least, hops: least });
}

/**
 * Reads what a descriptor hears. Nearly always it is everything; some protocols of routers drop what comes from afar.
 *
 * @returns `undefined` if it is deaf already
 * @throws the system call's error
 */
export function readHearing(fd: number): Hearing | undefined {
  const ttl = getOption(fd, IP_MINTTL);
  const hops = unlessIpv4(() => getOption(fd, IPV6_MINHOPCOUNT)) ?? 0;
  return Math.max(ttl, hops) === HIGHEST_TTL ? undefined : { ttl, hops };
}

/**
 * Lets a descriptor hear as it did before.
 *
 * On a socket of IPv6 the family of its packets decides which option works: IPv4-mapped addresses receive packets
 * of IPv4. The other option is accepted there and does nothing, so both are written.
 *
 * @throws as {@link setDeaf}
 */
export function setHearing(fd: number, { ttl, hops }: Hearing): void {
  try {
    setOption(fd, IP_MINTTL, ttl);
    unlessIpv4(() => setOption(fd, IPV6_MINHOPCOUNT, hops));
  } catch (error) {
    throw meaningOf(error);
  }
}

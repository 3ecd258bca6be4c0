import net from 'node:net';
import { setOption } from '../../native-bindings/sockopt.ts';
import { fdOf } from './raw-options.ts';

const IP_MINTTL = { level: 0, name: 21, unit: 'none', constant: 'IP_MINTTL' } as const;
const IPV6_MINHOPCOUNT = { level: 41, name: 73, unit: 'none', constant: 'IPV6_MINHOPCOUNT' } as const;

/**
 * Makes sockets deaf: the kernel silently drops every packet that arrives for them with a TTL under
 * 255, and loopback uses 64. For the other end the peer has vanished. No privilege is needed. For a path that
 * is down, deafen both ends; a deaf listener ignores every SYN.
 */
export function goDark(...sockets: (net.Socket | net.Server)[]): void {
  for (const socket of sockets) setMinimumTtl(socket, 255);
}

/** Undoes {@link goDark}. */
export function comeBack(...sockets: (net.Socket | net.Server)[]): void {
  for (const socket of sockets) setMinimumTtl(socket, 0);
}

function setMinimumTtl(socket: net.Socket | net.Server, ttl: number): void {
  const address = socket instanceof net.Socket ? socket.localAddress : addressOf(socket);
  // An IPv4-mapped address receives IPv4 packets, so both are set on any IPv6 socket.
  if (address !== undefined && net.isIPv6(address)) setOption(fdOf(socket), IPV6_MINHOPCOUNT, ttl);
  setOption(fdOf(socket), IP_MINTTL, ttl);
}

function addressOf(server: net.Server): string | undefined {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.address : undefined;
}

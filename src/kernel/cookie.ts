import { getStructure } from '../../native-bindings/sockopt.ts';

/** `SO_COOKIE`, a number that no other socket of this machine ever has. Since Linux 4.12. */
const SO_COOKIE = { level: 1, name: 57, constant: 'SO_COOKIE' };

/**
 * Reads the kernel's own number of a socket.
 *
 * @throws the system call's error
 */
export function readCookie(fd: number): number {
  const { words } = getStructure(fd, SO_COOKIE);
  return ((words[1] ?? 0) >>> 0) * 2 ** 32 + ((words[0] ?? 0) >>> 0);
}

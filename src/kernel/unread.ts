import { loadLibc } from '../../native-bindings/libc.ts';
import type { OptionEntry } from '../../native-bindings/platforms/table.ts';
import { getOption } from '../../native-bindings/sockopt.ts';
import { table } from './calls.ts';

/** These numbers are the same on every architecture of Linux. */
const MSG_PEEK_DONTWAIT = 0x2 | 0x40;
const POLLERR = 0x8;

const SO_ERROR: OptionEntry = { level: 1, name: 4, unit: 'none', constant: 'SO_ERROR' };
/** The same on MIPS and SPARC. */
const BERKELEY: OptionEntry = { level: 0xffff, name: 0x1007, unit: 'none', constant: 'SO_ERROR' };

/**
 * Looks at what a read would find, and reads nothing. An error that is found is no longer in the kernel afterwards, but
 * only if no bytes come before it.
 *
 * @returns 1 if there are bytes, 0 at the end of the stream, else the error's number, negative: `-EAGAIN` if there is
 *   nothing yet
 */
export function peek(fd: number): number {
  const libc = loadLibc();
  const bytes = libc.recv(fd, MSG_PEEK_DONTWAIT);
  return bytes < 0 ? -libc.errno() : bytes;
}

/** Takes the error of a descriptor out of the kernel, as a negative number; 0 if it has none. */
export function takeError(fd: number): number {
  return -getOption(fd, table.enable?.level === BERKELEY.level ? BERKELEY : SO_ERROR) || 0;
}

/** Whether a descriptor has an error. It stays in the kernel, whereas `SO_ERROR` is cleared when it is read. */
export function hasError(fd: number): boolean {
  const libc = loadLibc();
  libc.memory[0] = fd;
  libc.memory[1] = 0;
  libc.poll();
  // `revents` is the second half of the second word, and has no other bit of this value in either byte order.
  return (((libc.bytes[6] ?? 0) | (libc.bytes[7] ?? 0)) & POLLERR) !== 0;
}

import { loadLibc } from '../../native-bindings/libc.ts';
import { errorEntry } from '../../native-bindings/platforms/linux.ts';
import { getOption, POLLERR, pollEvents } from '../../native-bindings/sockopt.ts';
import { table } from './calls.ts';

/** These numbers are the same on every architecture of Linux. */
const MSG_PEEK_DONTWAIT = 0x2 | 0x40;

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
  return 0 - getOption(fd, errorEntry(table));
}

/** Whether a descriptor has an error. It stays in the kernel, whereas `SO_ERROR` is cleared when it is read. */
export function hasError(fd: number): boolean {
  return (pollEvents(fd) & POLLERR) !== 0;
}

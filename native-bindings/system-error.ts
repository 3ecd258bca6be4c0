import type { Libc } from './libc.ts';

/** The error of a failed system call, in the form of Node's own system errors. */
export interface SystemCallError extends Error {
  /** The error's name, such as `EBADF`. */
  readonly code: string;
  /** The error's number, negative as everywhere in Node. */
  readonly errno: number;
  readonly syscall:
    | 'setsockopt'
    | 'getsockopt'
    | 'getsockname'
    | 'getpeername'
    | 'socket'
    | 'send'
    | 'recv'
    | 'pidfd_open'
    | 'pidfd_getfd';
  /** The kernel's name for the option, such as `TCP_KEEPCNT`, or what else the call was about. */
  readonly option: string;
}

/** Whether an error is one that {@link systemCallError} made. */
export function isSystemCallError(error: unknown): error is SystemCallError {
  return error instanceof Error && 'syscall' in error && 'option' in error;
}

/** The error of the call that the C library has just failed. */
export function systemCallError(
  libc: Pick<Libc, 'errno' | 'errorNumbers'>,
  syscall: SystemCallError['syscall'],
  option: string,
): SystemCallError {
  const errno = libc.errno();
  const code = nameOf(errno, libc.errorNumbers);
  return Object.assign(new Error(`${syscall} ${option} failed: ${code}`), {
    code,
    errno: -errno,
    syscall,
    option,
  });
}

/** If two names share a number, koffi lists libuv's name first, which is also Node's. */
function nameOf(errno: number, numbers: Libc['errorNumbers']): string {
  return Object.entries(numbers).find(([, number]) => number === errno)?.[0] ?? 'UNKNOWN';
}

import { constants } from 'node:os';

/** A socket option's system call that failed, told as Node tells its own. */
export interface SystemCallError extends Error {
  /** The error's name, such as `EBADF`. */
  readonly code: string;
  /** The error's number, negative as everywhere in Node. */
  readonly errno: number;
  readonly syscall: 'setsockopt' | 'getsockopt';
  /** The kernel's name for the option, such as `TCP_KEEPCNT`. */
  readonly option: string;
}

/** Whether an error is one that {@link systemCallError} made. */
export function isSystemCallError(error: unknown): error is SystemCallError {
  return error instanceof Error && 'syscall' in error && 'option' in error;
}

export function systemCallError(
  syscall: 'setsockopt' | 'getsockopt',
  errno: number,
  option: string,
): SystemCallError {
  const code = nameOf(errno);
  return Object.assign(new Error(`${syscall} ${option} failed: ${code}`), {
    code,
    errno: -errno,
    syscall,
    option,
  });
}

/** Where two names have one number, the first is the one that libuv gives it, and so Node. */
function nameOf(errno: number): string {
  return Object.entries(constants.errno).find(([, number]) => number === errno)?.[0] ?? 'UNKNOWN';
}

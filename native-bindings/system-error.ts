import { constants } from 'node:os';
import { getSystemErrorName } from 'node:util';

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

function nameOf(errno: number): string {
  // getSystemErrorName refuses 0, which only a broken C library could hand us, and has a sentence
  // instead of a name for what libuv does not know, such as EDOM.
  const name = errno > 0 ? getSystemErrorName(-errno) : '';
  if (/^E[A-Z0-9]+$/.test(name)) return name;
  return Object.entries(constants.errno).find(([, number]) => number === errno)?.[0] ?? 'UNKNOWN';
}

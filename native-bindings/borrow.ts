import type * as Koffi from 'koffi';
import { type SystemCallError, systemCallError } from './system-error.ts';

// The same on every processor, because these calls are newer than the tables that differ.
const PIDFD_OPEN = 434;
const PIDFD_GETFD = 438;

/** Borrows descriptors of other processes, which Linux allows to the same user and to root. */
export interface Borrower {
  /**
   * Opens a process, by a descriptor of this one that never means another process. Since Linux 5.3.
   *
   * @throws the system call's error: `ESRCH`, `ENOSYS`
   */
  openProcess(pid: number): number;
  /**
   * Gives a duplicate of a process's descriptor, which must be closed at once: as long as it is open, the connection
   * is too. Since Linux 5.6.
   *
   * @throws the system call's error: `EPERM` (another user, Yama, seccomp), `EBADF` (it was closed), `ESRCH`
   */
  borrow(process: number, fd: number): number;
  close(fd: number): void;
}

export function bindBorrower(koffi: typeof Koffi): Borrower {
  const library = koffi.load(null);
  const syscall = library.func('syscall', 'long', ['long', 'long', 'long', 'long']);
  const close = library.func('close', 'int', ['int']);
  const errors = { errno: () => koffi.errno(), errorNumbers: koffi.os.errno };
  const call = (name: SystemCallError['syscall'], number: number, first: number, second: number) => {
    const fd = Number(syscall(number, first, second, 0));
    if (fd < 0) throw systemCallError(errors, name, `of ${first}`);
    return fd;
  };
  return {
    openProcess: (pid) => call('pidfd_open', PIDFD_OPEN, pid, 0),
    borrow: (process, fd) => call('pidfd_getfd', PIDFD_GETFD, process, fd),
    close: (fd) => void close(fd),
  };
}

import type * as Koffi from 'koffi';
import { allocate } from './memory.ts';
import { type SystemCallError, systemCallError } from './system-error.ts';

// The same on every processor, because these calls are newer than the tables that differ.
const PIDFD_OPEN = 434;
const PIDFD_GETFD = 438;

/** Room for the target of a descriptor's link, `socket:[4294967295]`, of which others are cut, and for an address. */
const LINK = 64;

/** `socket:[`, with which the target of a socket's link begins. */
const SOCKET = Buffer.from('socket:[');

/** Finds and borrows descriptors of other processes, which Linux allows to the same user and to root. */
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
  /**
   * The inode of the socket that a link in an open `/proc/PID/fd` leads to, or `undefined`. Half as long as Node's own
   * call, which looks up the whole path each time and makes a string of the target.
   */
  socketAt(directory: number, name: string): number | undefined;
  /**
   * The `struct sockaddr` of a socket's own end (`getsockname`), or of the other. The next call overwrites it.
   *
   * @throws the system call's error: `ENOTCONN` (it is not connected any more, or never was), `ENOTSOCK`
   */
  addressOf(fd: number, end: 'getsockname' | 'getpeername'): Uint8Array;
  close(fd: number): void;
}

export function bindBorrower(koffi: typeof Koffi): Borrower {
  const library = koffi.load(null);
  const syscall = library.func('syscall', 'long', ['long', 'long', 'long', 'long']);
  const close = library.func('close', 'int', ['int']);
  const readlinkat = library.func('readlinkat', 'intptr_t', ['int', 'str', 'uintptr_t', 'size_t']);
  const names = {
    getsockname: library.func('getsockname', 'int', ['int', 'uintptr_t', 'uintptr_t']),
    getpeername: library.func('getpeername', 'int', ['int', 'uintptr_t', 'uintptr_t']),
  };
  const { buffer, at } = allocate(koffi, LINK + 4);
  const address = at(0);
  const target = new Uint8Array(buffer, 0, LINK);
  const length = new Uint32Array(buffer, LINK, 1);
  const errors = { errno: () => koffi.errno(), errorNumbers: koffi.os.errno };
  const call = (name: SystemCallError['syscall'], number: number, first: number, second: number) => {
    const fd = Number(syscall(number, first, second, 0));
    if (fd < 0) throw systemCallError(errors, name, `of ${first}`);
    return fd;
  };
  return {
    openProcess: (pid) => call('pidfd_open', PIDFD_OPEN, pid, 0),
    borrow: (process, fd) => call('pidfd_getfd', PIDFD_GETFD, process, fd),
    socketAt(directory, name) {
      const size = Number(readlinkat(directory, name, address, LINK));
      if (size <= SOCKET.length || !SOCKET.every((byte, i) => target[i] === byte)) return undefined;
      let inode = 0;
      for (let i = SOCKET.length; i < size - 1; i++) inode = inode * 10 + (target[i] ?? 0) - 48;
      return inode;
    },
    addressOf(fd, end) {
      length[0] = LINK;
      if (names[end](fd, address, at(LINK)) !== 0) throw systemCallError(errors, end, `of ${fd}`);
      return target;
    },
    close: (fd) => void close(fd),
  };
}

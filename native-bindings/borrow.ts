import type * as Koffi from 'koffi';
import { allocate } from './memory.ts';
import { type SystemCallError, systemCallError } from './system-error.ts';

// The same on every processor, because these calls are newer than the tables that differ.
const PIDFD_OPEN = 434;
const PIDFD_GETFD = 438;

/** `getdents64`, by `process.arch`; elsewhere it is the first. libc has a function for it only since glibc 2.30. */
const GETDENTS64 = 61;
const OLDER_GETDENTS64: Readonly<Partial<Record<string, number>>> = {
  x64: 217,
  arm: 217,
  ia32: 220,
  ppc64: 202,
};

/** Room for a piece of a directory, about 300 names: other code may run after it. */
const PIECE = 8_192;

/** The places of the length and the name in a `struct linux_dirent64`. */
const ENTRY = { length: 16, name: 19 } as const;

/** Room for the target of a descriptor's link, `socket:[4294967295]`, of which others are cut, and for an address. */
const LINK = 64;

const ZERO = 48;
const NINE = 57;

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
   * Tells of each socket in the next piece of an open `/proc/PID/fd`, and whether there was such a piece. Node's own
   * calls take twice as long, because they look up the whole path each time and make strings.
   */
  nextSockets(directory: number, tell: (inode: number, fd: number) => void): boolean;
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
  const getdents = library.func('syscall', 'long', ['long', 'long', 'uintptr_t', 'long']);
  const readlinkat = library.func('readlinkat', 'intptr_t', ['int', 'uintptr_t', 'uintptr_t', 'size_t']);
  const names = {
    getsockname: library.func('getsockname', 'int', ['int', 'uintptr_t', 'uintptr_t']),
    getpeername: library.func('getpeername', 'int', ['int', 'uintptr_t', 'uintptr_t']),
  };
  const { buffer, at: addressAt } = allocate(koffi, PIECE + LINK + 4);
  const bytes = new Uint8Array(buffer, 0, PIECE + LINK);
  const target = bytes.subarray(PIECE);
  const length = new Uint32Array(buffer, PIECE + LINK, 1);
  const GETDENTS = OLDER_GETDENTS64[process.arch] ?? GETDENTS64;
  const errors = { errno: () => koffi.errno(), errorNumbers: koffi.os.errno };
  const call = (name: SystemCallError['syscall'], number: number, first: number, second: number) => {
    const fd = Number(syscall(number, first, second, 0));
    if (fd < 0) throw systemCallError(errors, name, `of ${first}`);
    return fd;
  };
  return {
    openProcess: (pid) => call('pidfd_open', PIDFD_OPEN, pid, 0),
    borrow: (process, fd) => call('pidfd_getfd', PIDFD_GETFD, process, fd),
    nextSockets(directory, tell) {
      // A process that has ended meanwhile has no more of them.
      const end = Number(getdents(GETDENTS, directory, addressAt(0), PIECE));
      for (let at = 0; at < end; at += lengthAt(bytes, at + ENTRY.length)) {
        const name = at + ENTRY.name;
        if (!isDigit(bytes[name])) continue;
        const size = Number(readlinkat(directory, addressAt(name), addressAt(PIECE), LINK));
        if (size > SOCKET.length && isSocket(target)) {
          tell(numberAt(target, SOCKET.length), numberAt(bytes, name));
        }
      }
      return end > 0;
    },
    addressOf(fd, end) {
      length[0] = LINK;
      if (names[end](fd, addressAt(PIECE), addressAt(PIECE + LINK)) !== 0) {
        throw systemCallError(errors, end, `of ${fd}`);
      }
      return target;
    },
    close: (fd) => void close(fd),
  };
}

function lengthAt(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
}

function isSocket(target: Uint8Array): boolean {
  for (let i = 0; i < SOCKET.length; i++) if (target[i] !== SOCKET[i]) return false;
  return true;
}

function isDigit(byte: number | undefined): byte is number {
  return byte !== undefined && byte >= ZERO && byte <= NINE;
}

/** The decimal number whose text begins here. */
function numberAt(bytes: Uint8Array, from: number): number {
  let number = 0;
  for (let at = from, byte = bytes[at]; isDigit(byte); byte = bytes[++at]) number = number * 10 + byte - ZERO;
  return number;
}

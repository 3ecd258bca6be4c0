import type * as Koffi from 'koffi';
import { allocate } from './memory.ts';
import { type SystemCallError, systemCallError } from './system-error.ts';

/**
 * The numbers of `NETLINK_SOCK_DIAG`, by which Linux lists sockets without a privilege.
 *
 * @see https://man7.org/linux/man-pages/man7/sock_diag.7.html
 */
export const sockDiag = {
  AF_INET: 2,
  AF_INET6: 10,
  IPPROTO_TCP: 6,
  /** The length of a netlink message's header, and of a row without its attributes. */
  HEADER: 16,
  ROW: 72,
  NLMSG_ERROR: 2,
  NLMSG_DONE: 3,
  SOCK_DIAG_BY_FAMILY: 20,
  NLM_F_REQUEST_DUMP: 0x301,
  NLM_F_DUMP_INTR: 0x10,
  INET_DIAG_REQ_BYTECODE: 1,
  INET_DIAG_INFO: 2,
  INET_DIAG_BC_S_COND: 7,
  INET_DIAG_BC_D_COND: 8,
} as const;

const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC = 3 | 0x80000;
const NETLINK_SOCK_DIAG = 4;

/** Linux sends no more of a list at once. */
const CAPACITY = 32_768;

/** A list that the kernel sends piece by piece. */
export interface Dump {
  /**
   * Reads the next piece into the memory that all lists of this thread share, and returns its length.
   *
   * @throws the system call's error
   */
  receive(): number;
  close(): void;
}

/** The calls for lists, and the memory into which the kernel writes them. */
export interface SockDiag {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  /** @throws the system call's error, such as `EPERM` in a sandbox */
  start(request: Uint8Array): Dump;
  /** The error of a list that the kernel refused, by the number that it sent. */
  refused(errno: number): SystemCallError;
}

export function bindSockDiag(koffi: typeof Koffi): SockDiag {
  // koffi keeps named types for the whole process and refuses a second declaration, so none is named.
  const library = koffi.load(null);
  const socket = library.func('socket', 'int', ['int', 'int', 'int']);
  const send = library.func('send', 'intptr_t', ['int', 'uintptr_t', 'size_t', 'int']);
  const recv = library.func('recv', 'intptr_t', ['int', 'uintptr_t', 'size_t', 'int']);
  const close = library.func('close', 'int', ['int']);
  const { buffer, at } = allocate(koffi, CAPACITY);
  const address = at(0);
  const bytes = new Uint8Array(buffer);
  const failed = (syscall: SystemCallError['syscall'], errno = koffi.errno()) =>
    systemCallError({ errno: () => errno, errorNumbers: koffi.os.errno }, syscall, 'NETLINK_SOCK_DIAG');
  return {
    bytes,
    words: new Uint32Array(buffer),
    start(request) {
      const fd: number = socket(AF_NETLINK, SOCK_RAW_CLOEXEC, NETLINK_SOCK_DIAG);
      if (fd < 0) throw failed('socket');
      bytes.set(request);
      if (Number(send(fd, address, request.length, 0)) < 0) {
        const error = failed('send');
        close(fd);
        throw error;
      }
      return {
        receive() {
          for (;;) {
            const length = Number(recv(fd, address, CAPACITY, 0));
            if (length >= 0) return length;
            // A receive buffer that was full is not the end of the list.
            if (koffi.errno() !== koffi.os.errno.ENOBUFS) throw failed('recv');
          }
        },
        close: () => void close(fd),
      };
    },
    refused: (errno) => failed('recv', errno),
  };
}

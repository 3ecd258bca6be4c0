import type * as Koffi from 'koffi';
import { allocate } from './memory.ts';

/** Room for a `struct sockaddr_storage`. */
const CAPACITY = 128;

/** Native memory for a `struct sockaddr`, which each call overwrites, and for its length behind it. */
export interface SocketName {
  readonly bytes: Uint8Array;
  /** The bytes that the system filled. */
  readonly length: number;
  /** Calls a function with the addresses of the memory and of its length. */
  fill(call: (name: number | bigint, length: number | bigint) => number): boolean;
}

export function socketName(koffi: typeof Koffi): SocketName {
  const { buffer, at } = allocate(koffi, CAPACITY + 4);
  const name = at(0);
  const lengthAddress = at(CAPACITY);
  const length = new Int32Array(buffer, CAPACITY, 1);
  return {
    bytes: new Uint8Array(buffer, 0, CAPACITY),
    get length() {
      return length[0] ?? 0;
    },
    fill(call) {
      length[0] = CAPACITY;
      return call(name, lengthAddress) === 0;
    },
  };
}

/** The names of both ends of a descriptor, by `getsockname` and `getpeername`. */
export interface SocketNames {
  readonly local: SocketName;
  readonly remote: SocketName;
  /** Reads both; `false` if the descriptor is no connected socket. */
  read(fd: number): boolean;
}

/** Binds the calls of the C library. */
export function bindSocketNames(koffi: typeof Koffi): SocketNames {
  const library = koffi.load(null);
  const getsockname = library.func('getsockname', 'int', ['int', 'uintptr_t', 'uintptr_t']);
  const getpeername = library.func('getpeername', 'int', ['int', 'uintptr_t', 'uintptr_t']);
  const local = socketName(koffi);
  const remote = socketName(koffi);
  return {
    local,
    remote,
    read: (fd) =>
      remote.fill((name, length) => getpeername(fd, name, length)) &&
      local.fill((name, length) => getsockname(fd, name, length)),
  };
}

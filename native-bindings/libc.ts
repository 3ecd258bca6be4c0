import type * as Koffi from 'koffi';
import { loadKoffi } from './load-koffi.ts';
import { allocate } from './memory.ts';
import { nodeFfi } from './node-ffi.ts';
import { winsock } from './winsock.ts';

/**
 * The calls of the C library, or of Winsock, that this project makes on sockets, through a foreign function interface.
 *
 * All read or fill the same native memory, allocated once for each thread. Its address is passed as a
 * number, so that koffi has nothing to convert.
 */
export interface Libc {
  /** The foreign function interface that makes the calls. */
  readonly library: 'koffi' | 'node:ffi';
  /** Native memory shared by every call of this thread: {@link CAPACITY} bytes and a length. */
  readonly memory: Int32Array;
  /** The same memory as bytes, for structures. */
  readonly bytes: Uint8Array;
  /** The index in `memory` of the length of a `getsockopt` result. */
  readonly lengthIndex: number;
  /** `setsockopt(fd, level, name, memory, 4)`: 0, or -1 with `errno` set. */
  setsockopt(fd: number, level: number, name: number): number;
  /** `getsockopt(fd, level, name, memory, &length)`: 0, or -1 with `errno` set. */
  getsockopt(fd: number, level: number, name: number): number;
  /** `recv(fd, memory, 1, flags)`: how many bytes there are, or -1 with `errno` set. */
  recv(fd: number, flags: number): number;
  /** `poll(memory, 1, 0)`, with a `struct pollfd` in memory. */
  poll(): number;
  /** The `errno` of the last call. */
  errno(): number;
  /** This system's error numbers, by name. */
  readonly errorNumbers: Readonly<Record<string, number>>;
}

/** How a system's library is called. */
export interface SystemCalls {
  func(name: string, result: string, parameters: string[]): (...args: (number | bigint)[]) => number;
  /** The type of a descriptor. */
  readonly descriptor: 'int' | 'uintptr_t';
  errno(): number;
  readonly errorNumbers: Readonly<Record<string, number>>;
}

/** Room for one result: more than the 280 bytes of `struct tcp_info` in Linux 6.18. */
export const CAPACITY = 512;

let libc: Libc | undefined;
let failure: unknown;

/**
 * Loads koffi on the first call or, if that fails, Node's own FFI. If both fail, each later call throws the
 * same error, because loading again would fail the same way.
 *
 * @throws an error that says why koffi cannot be loaded, and what helps.
 */
export function loadLibc(): Libc {
  if (libc !== undefined) return libc;
  if (failure !== undefined) throw failure;
  try {
    libc = bind(loadKoffi());
  } catch (error) {
    libc = nodeFfi(CAPACITY);
    if (libc === undefined) {
      failure = error;
      throw error;
    }
  }
  return libc;
}

function bind(koffi: typeof Koffi): Libc {
  const system = process.platform === 'win32' ? winsock(koffi) : posix(koffi);
  const { buffer, at } = allocate(koffi, CAPACITY + 4);
  const address = at(0);
  const lengthAddress = at(CAPACITY);
  const { descriptor } = system;
  // koffi keeps named types for the whole process and refuses a second declaration, so none is named.
  const set = system.func('setsockopt', 'int', [descriptor, 'int', 'int', 'uintptr_t', 'uint32_t']);
  const get = system.func('getsockopt', 'int', [descriptor, 'int', 'int', 'uintptr_t', 'uintptr_t']);
  // These two are declared when they are first called: only what looks for lost sockets needs them.
  let recv: ((...args: (number | bigint)[]) => number) | undefined;
  let poll: ((...args: (number | bigint)[]) => number) | undefined;
  return {
    library: 'koffi',
    memory: new Int32Array(buffer),
    bytes: new Uint8Array(buffer),
    lengthIndex: CAPACITY / 4,
    setsockopt: (fd, level, name) => set(fd, level, name, address, 4),
    getsockopt: (fd, level, name) => get(fd, level, name, address, lengthAddress),
    recv(fd, flags) {
      recv ??= system.func('recv', 'intptr_t', ['int', 'uintptr_t', 'size_t', 'int']);
      return Number(recv(fd, address, 1, flags));
    },
    poll() {
      poll ??= system.func('poll', 'int', ['uintptr_t', 'unsigned long', 'int']);
      return poll(address, 1, 0);
    },
    errno: system.errno,
    errorNumbers: system.errorNumbers,
  };
}

function posix(koffi: typeof Koffi): SystemCalls {
  // null is the process itself, which works for glibc and musl, whatever the library's file is called.
  const library = koffi.load(null);
  return {
    func: (name, result, parameters) => library.func(name, result, parameters),
    descriptor: 'int',
    errno: () => koffi.errno(),
    errorNumbers: koffi.os.errno,
  };
}

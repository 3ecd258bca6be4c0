import type os from 'node:os';
import type { Libc } from './libc.ts';

/** The part of `node:ffi` that is used. Node has it without a flag since 26.11. */
interface NodeFfi {
  dlopen(
    file: null,
    signatures: Readonly<Record<string, { readonly arguments: readonly string[]; readonly return: string }>>,
  ): { readonly functions: Readonly<Record<string, Call | undefined>> };
  getRawPointer(memory: ArrayBuffer): bigint;
  getInt32(address: bigint, offset: number): number;
}

type Call = (...args: (number | bigint)[]) => unknown;

/** The function that returns the address of `errno`, by `process.platform`. */
const ERRNO_LOCATION: Readonly<Partial<Record<NodeJS.Platform, string>>> = {
  android: '__errno',
  darwin: '__error',
  freebsd: '__error',
  linux: '__errno_location',
  netbsd: '__errno',
  openbsd: '__errno',
};

/**
 * The calls of the C library through Node's own FFI. It is used only if koffi cannot be loaded, because
 * it is experimental, prints a warning, and takes half as long again.
 *
 * @param capacity - bytes of memory for a result
 * @returns `undefined` if this Node has no FFI, or does not allow it: `--permission` needs `--allow-ffi`
 * @see https://nodejs.org/api/ffi.html
 */
export function nodeFfi(capacity: number): Libc | undefined {
  const location = ERRNO_LOCATION[process.platform];
  if (location === undefined) return undefined;
  try {
    const ffi = process.getBuiltinModule?.('node:ffi') as NodeFfi | undefined;
    return ffi && bind(ffi, location, capacity);
  } catch {
    return undefined;
  }
}

function bind(ffi: NodeFfi, location: string, capacity: number): Libc {
  const { functions } = ffi.dlopen(null, {
    setsockopt: { arguments: ['int32', 'int32', 'int32', 'pointer', 'uint32'], return: 'int32' },
    getsockopt: { arguments: ['int32', 'int32', 'int32', 'pointer', 'pointer'], return: 'int32' },
    recv: { arguments: ['int32', 'pointer', 'uint64', 'int32'], return: 'int64' },
    poll: { arguments: ['pointer', 'uint64', 'int32'], return: 'int32' },
    [location]: { arguments: [], return: 'pointer' },
  });
  const { setsockopt, getsockopt, recv, poll } = functions as Record<string, Call> & {
    [name in 'setsockopt' | 'getsockopt' | 'recv' | 'poll']: Call;
  };
  const errnoLocation = functions[location] as Call;
  // V8 keeps an ArrayBuffer of this size outside its heap, so it never moves.
  const buffer = new ArrayBuffer(capacity + 4);
  const address = ffi.getRawPointer(buffer);
  const lengthAddress = address + BigInt(capacity);
  const { constants } = process.getBuiltinModule('node:os') as typeof os;
  return {
    library: 'node:ffi',
    memory: new Int32Array(buffer),
    bytes: new Uint8Array(buffer),
    lengthIndex: capacity / 4,
    setsockopt: (fd, level, name) => setsockopt(fd, level, name, address, 4) as number,
    getsockopt: (fd, level, name) => getsockopt(fd, level, name, address, lengthAddress) as number,
    recv: (fd, flags) => Number(recv(fd, address, 1n, flags)),
    poll: () => poll(address, 1n, 0) as number,
    errno: () => ffi.getInt32(errnoLocation() as bigint, 0),
    errorNumbers: constants.errno,
  };
}

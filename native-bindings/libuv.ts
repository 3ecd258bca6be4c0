import { isMainThread } from 'node:worker_threads';
import type * as Koffi from 'koffi';
import { allocate } from './memory.ts';
import { type SocketName, socketName } from './socket-names.ts';

/** `UV_TCP`, the kind of a handle for TCP. It is the same in every libuv 1. */
const UV_TCP = 12;

/**
 * libuv's own handles of this thread, by functions that every Node exports. They show the sockets of Windows, which
 * Node does not.
 *
 * An address of a handle may be used until the event loop runs on and, after that, as long as it is known that the
 * handle is still open: libuv does not check it.
 *
 * @see https://docs.libuv.org/en/v1.x/loop.html#c.uv_walk
 */
export interface Libuv {
  readonly local: SocketName;
  readonly remote: SocketName;
  /** The addresses of all handles of this thread, of whatever kind, the newest last. */
  handles(): number[];
  /** Reads the names of both ends; `false` if the handle is no connected TCP socket. */
  readNames(handle: number): boolean;
  /** The descriptor, or the SOCKET of Windows; `undefined` if the handle is closing. */
  descriptor(handle: number): number | undefined;
}

/** @throws an error if this runtime does not export libuv's functions, or shows no event loop in this thread */
export function bindLibuv(koffi: typeof Koffi): Libuv {
  // null is the program itself, whatever its file is called: node.exe, electron.exe.
  const library = koffi.load(null);
  const loop = isMainThread ? library.func('uv_default_loop', 'uintptr_t', [])() : loopOfWorker();
  // It has no name, because koffi refuses a second declaration of a name.
  const visitor = koffi.pointer(koffi.proto('void', ['uintptr_t', 'uintptr_t']));
  const walk = library.func('uv_walk', 'void', ['uintptr_t', visitor, 'uintptr_t']);
  const typeOf = library.func('uv_handle_get_type', 'int', ['uintptr_t']);
  const name = ['uintptr_t', 'uintptr_t', 'uintptr_t'];
  const getsockname = library.func('uv_tcp_getsockname', 'int', name);
  const getpeername = library.func('uv_tcp_getpeername', 'int', name);
  const fileno = library.func('uv_fileno', 'int', ['uintptr_t', 'uintptr_t']);
  const local = socketName(koffi);
  const remote = socketName(koffi);
  const { buffer, at } = allocate(koffi, 8);
  const found = new BigUint64Array(buffer);
  const foundAddress = at(0);
  return {
    local,
    remote,
    handles() {
      const handles: number[] = [];
      walk(loop, (handle: number | bigint) => void handles.push(Number(handle)), 0);
      return handles.filter(Number.isSafeInteger);
    },
    readNames: (handle) =>
      typeOf(handle) === UV_TCP &&
      remote.fill((...place) => getpeername(handle, ...place)) &&
      local.fill((...place) => getsockname(handle, ...place)),
    descriptor(handle) {
      // A descriptor fills a half of it, and a SOCKET all.
      found[0] = 0n;
      if (fileno(handle, foundAddress) !== 0) return undefined;
      const descriptor = Number(found[0]);
      return Number.isSafeInteger(descriptor) ? descriptor : undefined;
    },
  };
}

/** A worker has an event loop of its own, which Node shows since 26.11. To walk that of another thread would be a race. */
function loopOfWorker(): bigint {
  const ffi = process.getBuiltinModule?.('node:ffi') as { getCurrentEventLoop?(): bigint } | undefined;
  if (ffi?.getCurrentEventLoop === undefined) {
    throw new Error('Node shows the event loop of a worker thread from 26.11 on');
  }
  return ffi.getCurrentEventLoop();
}

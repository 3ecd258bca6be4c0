import { readSync } from 'node:fs';
import type net from 'node:net';
import { getSystemErrorName } from 'node:util';
import { handleDescriptor, NO_DESCRIPTOR, ownerOf, readingHandle } from './handle.ts';
import { type MarkedHandle, ONREAD } from './hold-record.ts';

// Before 1.52, libuv mistakes a connection that has hung up for one that has ended, once what was unread has
// been read (libuv/libuv#4997). The error, such as ETIMEDOUT, stays in the kernel, and a part of a stream
// passes for the whole. That is so in Node 20 and 22. On Windows libuv asks the system differently.
const HANGS_UP_SILENTLY = /^1\.([1-4]?\d|5[01])\./;

/** Whether Node reports some errors as the end of the stream. */
export const hidesErrors: boolean =
  process.platform !== 'win32' && HANGS_UP_SILENTLY.test(process.versions.uv ?? '');

const byte = new Uint8Array(1);

/**
 * Sees to it that a connection which the kernel has given up ends with the kernel's error, as in Node 24. This is
 * done at the handle, before anybody hears of an end, because http regards an `'end'` as the end of a body.
 */
export function reportErrorAtEnd(socket: net.Socket): void {
  const handle: MarkedHandle | undefined = hidesErrors ? readingHandle(socket) : undefined;
  if (typeof handle?.onread !== 'function' || handle[ONREAD] !== undefined) return;
  handle[ONREAD] = handle.onread;
  handle.onread = readThenAsk;
  Object.defineProperty(handle, 'onread', ofNode);
}

/**
 * This is what Node sees of the handle: its own function, which it compares, and exchanges while an agent keeps the socket
 * for a later request (Node 22). Without this it would not find its own again, and the request would fail.
 */
const ofNode: PropertyDescriptor & ThisType<MarkedHandle> = {
  get() {
    return this[ONREAD];
  },
  set(onread: MarkedHandle['onread']) {
    this[ONREAD] = onread;
  },
};

function readThenAsk(this: MarkedHandle, chunk?: ArrayBuffer): unknown {
  const result: unknown = Reflect.apply(this[ONREAD] as () => unknown, this, [chunk]);
  if (chunk === undefined) askAtEnd(this);
  return result;
}

/** Node has noted the end by now, and emits `'end'` later, unless the socket is destroyed. */
function askAtEnd(handle: MarkedHandle): void {
  const socket = ownerOf(handle);
  // A socket that is read into a buffer of its user's gets no chunk either.
  if (socket === undefined || !hasEnded(socket) || socket.destroyed) return;
  const fd = handleDescriptor(handle);
  const error = fd === NO_DESCRIPTOR ? undefined : errorOfRead(fd);
  if (error !== undefined) socket.destroy(error);
}

/** Whether Node has noted the end of the stream, which its user may not have read yet. */
export function hasEnded(socket: net.Socket): boolean {
  return (socket as { _readableState?: { ended: boolean } })._readableState?.ended === true;
}

/** Reads once more at the end of a stream: the result is the connection's error, or nothing if the peer ended it. */
function errorOfRead(fd: number): Error | undefined {
  try {
    readSync(fd, byte);
    return undefined;
  } catch (error) {
    const { errno, code } = error as NodeJS.ErrnoException & { errno: number };
    // TLS may end before TCP does.
    return code === 'EAGAIN' ? undefined : readError(errno);
  }
}

/** The error of a read as Node makes it for a socket: fs words its errors differently. */
export function readError(errno: number): Error {
  const code = getSystemErrorName(errno);
  return Object.assign(new Error(`read ${code}`), { errno, code, syscall: 'read' });
}

import type net from 'node:net';
import { isDestroyed } from '../options/errors.ts';
import type { KeepAliveInput, KeepAliveSettings } from '../options/options.ts';
import { parseKeepAliveOptions } from '../options/parse.ts';
import { correct, correctHandle } from './connection.ts';
import { connectedDescriptor, unreadable } from './handle.ts';
import {
  EXPLICIT,
  HOLD,
  type Hold,
  type HoldRequest,
  heldBy,
  holdOf,
  isTaken,
  type MarkedHandle,
  type MarkedSocket,
  markedHandle,
  PASSES,
  SHADOWED,
  WAY,
  type Way,
} from './hold-record.ts';
import { attempt, type OnError, onErrorOf, report } from './report.ts';

// Captured now, so that a test's fake timers cannot stop a hold.
const soon = globalThis.setImmediate;

/**
 * Sets keepalive timers on a socket, now or as soon as it connects, and keeps them set: drivers,
 * agents and Node itself call `setKeepAlive` later and would reset interval and count to 1 s and 10.
 * Only the fields given are held.
 *
 * Takes TCP and TLS sockets, client and accepted ones, and an http2 session's `socket`. Calling it
 * again replaces what is held; {@link setKeepAlive} changes it; `false` ends the hold, leaves the
 * kernel as it is, and keeps driver modules and process rules from starting another.
 *
 * Node remembers a call of its own `setKeepAlive` that the hold kept from the kernel, and skips one
 * that equals its last. After the hold has ended, set the options with {@link setKeepAlive}.
 *
 * A socket that cannot carry options (a Unix socket, TLS over a generic stream, a system call that
 * fails) goes on without: the error goes to `onError`, or is given as a process warning once for
 * each code. Without koffi, and if Node gives no descriptor (Windows), Node's own `setKeepAlive`
 * does what it can.
 *
 * @param socket - a TCP or TLS socket, a client's or an accepted one, connected or not, or an http2 session's `socket`
 * @param options - a preset's name, or options in milliseconds; `false` ends the hold
 * @param behaviour - `onError`: told of what cannot be set
 * @returns the same socket
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`, before the socket is touched
 *
 * @example
 * ```ts
 * const socket = keepAlive(net.connect(5432, 'db'), 'database');
 * ```
 */
export function keepAlive<S extends net.Socket>(
  socket: S,
  options: KeepAliveInput | false,
  behaviour?: { onError?: OnError | undefined },
): S {
  const onError = behaviour === undefined ? undefined : onErrorOf(behaviour);
  const settings = options === false ? undefined : parseKeepAliveOptions(options);
  holdSocket(socket, { settings, rank: EXPLICIT, onError });
  return socket;
}

/** Holds what is requested on a socket, unless somebody with more say has set it. Never throws. */
export function holdSocket(socket: net.Socket, { settings, rank, onError, owner }: HoldRequest): void {
  const wanted: Hold = { settings, rank, onError, owner };
  try {
    if (isTaken(socket, rank)) return;
    const hold = holdOf(socket);
    apply(socket, hold === undefined ? startHold(socket, wanted) : Object.assign(hold, wanted));
  } catch (thrown) {
    const error = unreadable(thrown);
    // A socket that is gone needs nothing any more.
    if (!isDestroyed(error)) report(error, onError);
  }
}

function startHold(socket: net.Socket, hold: Hold): Hold {
  // This throws if it is no socket at all, before anything is left on it.
  if (!isWaiting(socket)) connectedDescriptor(socket);
  // The listener stays, because a socket may be connected again.
  socket.on('connect', applyAtConnect);
  (socket as MarkedSocket)[HOLD] = hold;
  // Another socket over the same connection finds the hold there, such as that of TLS started on this one.
  const handle = markedHandle(socket);
  if (handle !== undefined) handle[HOLD] = hold;
  return hold;
}

/** Whether it is not connected, or no longer: in both cases the next `'connect'` is what counts. */
function isWaiting(socket: net.Socket): boolean {
  return socket.connecting || socket.destroyed || socket.pending;
}

/** Called on the socket itself, even if the hold was asked for through http2's stand-in for it. */
function applyAtConnect(this: MarkedSocket): void {
  const hold = this[HOLD];
  if (hold === undefined) return;
  attempt(hold.onError, () => {
    // Drivers set theirs in their own 'connect' listeners. The shadow stops a call that ends at the
    // handle; the second look catches writes that bypass the handle, such as another FFI. It is skipped
    // if the first one failed, or the error would be reported twice.
    if (applyLater(this, hold)) soon(applyAgain, this, hold);
  });
}

function applyAgain(socket: net.Socket, hold: Hold): void {
  attempt(hold.onError, () => {
    const handle = markedHandle(socket);
    if (handle?.[HOLD] === hold) applyLater(socket, hold, handle[WAY]);
  });
}

/** Since a hold began, another socket over the same connection may have been set by somebody with more say. */
function applyLater(socket: net.Socket, hold: Hold, before?: Way): boolean {
  return !isTaken(socket, hold.rank) && apply(socket, hold, before);
}

/**
 * Writes to a connected socket what is held and differs there, and shadows its handle.
 *
 * @param before - the way on which it was written to this connection already
 * @returns whether there was something to write
 */
function apply(socket: net.Socket, hold: Hold, before?: Way): boolean {
  if (isWaiting(socket)) return false;
  const settings = heldBy(hold);
  const way = settings && correct(socket, settings, before);
  const handle = markedHandle(socket);
  if (handle !== undefined) {
    handle[HOLD] = hold;
    handle[WAY] = way;
    shadow(handle);
  }
  return way !== undefined;
}

/**
 * Puts our own `setKeepAlive` before the handle's. On the handle, because a TLS socket wrapped round
 * this one, and http2's proxy, end there and would miss a property of the socket.
 */
function shadow(handle: MarkedHandle): void {
  if (typeof handle.setKeepAlive !== 'function' || handle[SHADOWED] !== undefined) return;
  handle[SHADOWED] = handle.setKeepAlive;
  handle.setKeepAlive = setKeepAliveUnlessHeld;
}

function setKeepAliveUnlessHeld(this: MarkedHandle, ...args: unknown[]): number {
  const hold = this[HOLD];
  const settings = heldBy(hold);
  if (settings !== undefined && isCovered(this, settings)) return 0;
  const result: number = Reflect.apply(this[SHADOWED] as () => number, this, args);
  // Node's call may have changed fields that are held. On Node's way they cannot be read back.
  if (settings !== undefined && this[WAY] === 'kernel') {
    attempt(hold?.onError, () => correctHandle(this, settings));
  }
  return result;
}

/** Whether Node's call has nothing to set that is not held, and so need not reach the kernel. */
function isCovered(handle: MarkedHandle, { initialDelay, interval, count }: KeepAliveSettings): boolean {
  // What holds an initialDelay holds enable too.
  if (handle[PASSES] || initialDelay === undefined) return false;
  return handle[WAY] === 'node' || (interval !== undefined && count !== undefined);
}

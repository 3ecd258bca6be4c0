import type net from 'node:net';
import { writeDifferences } from '../kernel/settings.ts';
import { isDestroyed } from '../options/errors.ts';
import type { KeepAliveInput, KeepAliveSettings } from '../options/options.ts';
import { parseKeepAliveOptions } from '../options/parse.ts';
import { writeToSocket } from './connection.ts';
import {
  connectedDescriptor,
  handleDescriptor,
  NO_DESCRIPTOR,
  type TcpHandle,
  tcpHandle,
  unreadable,
} from './handle.ts';
import {
  attachHold,
  EXPLICIT,
  type Hold,
  type HoldRequest,
  heldBy,
  holdOf,
  holdOfHandle,
  isFirstShadow,
  isTaken,
  newHold,
  passThrough,
  replaceHold,
} from './hold-record.ts';
import { setWithNode } from './node-way.ts';
import { type OnError, onErrorOf, report } from './report.ts';

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
 * each code. Without koffi, and where Node gives no descriptor (Windows), Node's own `setKeepAlive`
 * does what it can.
 *
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
  behaviour: { onError?: OnError | undefined } = {},
): S {
  const onError = onErrorOf(behaviour);
  if (options === false) endHold(socket, onError);
  else holdSocket(socket, { settings: parseKeepAliveOptions(options), rank: EXPLICIT, onError });
  return socket;
}

/** Holds settings on a socket unless somebody with more say has set it. Never throws. */
export function holdSocket(socket: net.Socket, request: HoldRequest): void {
  try {
    if (isTaken(socket, request.rank)) return;
    const hold = holdOf(socket) ?? startHold(socket, request);
    replaceHold(hold, request);
    applyAfresh(socket, hold);
  } catch (error) {
    reportUnlessDestroyed(error, request.onError);
  }
}

function endHold(socket: net.Socket, onError: OnError | undefined): void {
  const request: HoldRequest = { settings: undefined, rank: EXPLICIT, onError };
  try {
    replaceHold(holdOf(socket) ?? startHold(socket, request), request);
  } catch (error) {
    reportUnlessDestroyed(error, onError);
  }
}

function startHold(socket: net.Socket, request: HoldRequest): Hold {
  // Tells what is no socket at all before anything is left on it.
  if (!isWaiting(socket)) connectedDescriptor(socket);
  const hold = newHold(request);
  // The listener stays, because a socket may be connected again. It is called on the socket itself,
  // also where it was given to http2's proxy, which throws once the session is destroyed.
  socket.on('connect', function (this: net.Socket) {
    applyAtConnect(this, hold);
  });
  attachHold(socket, hold);
  // For another socket over the same connection to find, such as the one of TLS started on this one.
  const handle = tcpHandle(socket);
  if (handle !== undefined) attachHold(handle, hold);
  return hold;
}

/** Not connected, or no longer: either way the next `'connect'` is what counts. */
function isWaiting(socket: net.Socket): boolean {
  return socket.connecting || socket.destroyed || socket.pending;
}

function applyAtConnect(socket: net.Socket, hold: Hold): void {
  if (!applyAfresh(socket, hold)) return;
  // Drivers set theirs in their own 'connect' listeners. The shadow meets a call that ends at the
  // handle; this meets what went past it, such as another FFI. Not where the first time failed: it
  // would be reported twice.
  soon(() => {
    const handle = tcpHandle(socket);
    if (handle !== undefined && holdOfHandle(handle) === hold) apply(socket, hold);
  });
}

/** For a new connection, or new settings. */
function applyAfresh(socket: net.Socket, hold: Hold): boolean {
  hold.byNode = false;
  return apply(socket, hold);
}

/**
 * Writes to a connected socket what differs there, and shadows its handle.
 *
 * @returns whether it did
 */
function apply(socket: net.Socket, hold: Hold): boolean {
  try {
    // Asked again, because since the hold began another socket over the connection may have been set.
    if (isWaiting(socket) || isTaken(socket, hold.rank)) return false;
    const settings = heldBy(hold);
    if (settings !== undefined) write(socket, hold, settings);
    shadowSetKeepAlive(socket, hold);
    return true;
  } catch (error) {
    report(unreadable(error), hold.onError);
    return false;
  }
}

/** A socket that is gone needs nothing any more. */
function reportUnlessDestroyed(thrown: unknown, onError: OnError | undefined): void {
  const error = unreadable(thrown);
  if (!isDestroyed(error)) report(error, onError);
}

function write(socket: net.Socket, hold: Hold, settings: KeepAliveSettings): void {
  if (writeToSocket(socket, settings) || hold.byNode) return;
  hold.byNode = true;
  passThrough(socket, () => setWithNode(socket, settings, false));
}

/**
 * Puts our own `setKeepAlive` before the handle's. On the handle, because a TLS socket wrapped round
 * this one, and http2's proxy, end there and would miss a property of the socket.
 */
function shadowSetKeepAlive(socket: net.Socket, hold: Hold): void {
  const handle = tcpHandle(socket);
  const original = handle?.setKeepAlive;
  if (handle === undefined || typeof original !== 'function') return;
  attachHold(handle, hold);
  if (!isFirstShadow(handle)) return;
  handle.setKeepAlive = (...args) => {
    const held = holdOfHandle(handle);
    if (held !== undefined && isCovered(held)) return 0;
    const result = Reflect.apply(original, handle, args);
    if (held !== undefined) writeBack(handle, held);
    return result;
  };
}

/** Whether Node's call has nothing to set that is not held, and so need not reach the kernel. */
function isCovered(hold: Hold): boolean {
  const settings = heldBy(hold);
  if (settings === undefined || hold.passing) return false;
  const { enable, initialDelay, interval, count } = settings;
  if (enable === undefined || initialDelay === undefined) return false;
  if (hold.byNode) return true;
  return interval !== undefined && count !== undefined;
}

/** After a call that was let through: the fields that are held and that it changed. */
function writeBack(handle: TcpHandle, hold: Hold): void {
  const settings = heldBy(hold);
  const fd = handleDescriptor(handle);
  if (settings === undefined || hold.byNode || fd === NO_DESCRIPTOR) return;
  try {
    writeDifferences(fd, settings);
  } catch (error) {
    report(error, hold.onError);
  }
}

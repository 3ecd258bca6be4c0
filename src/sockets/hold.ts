import type net from 'node:net';
import { isDestroyed } from '../options/errors.ts';
import type { KeepAliveInput } from '../options/options.ts';
import { parseKeepAliveOptions } from '../options/parse.ts';
import { correct, correctAgain, correctOld, writeToAttempt } from './connection.ts';
import { reportErrorAtEnd } from './ending.ts';
import { announceFailure, announceHeld, announceRestored } from './events.ts';
import { attemptDescriptor, connectedDescriptor, NO_DESCRIPTOR, unreadable } from './handle.ts';
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
  PENDING,
  RULE,
  TRIED,
  WAY,
  type Way,
} from './hold-record.ts';
import { notePeer } from './peer.ts';
import { watchHeld } from './reap.ts';
import { type OnError, onErrorOf, report } from './report.ts';
import { shadow } from './shadow.ts';
import { watch } from './watched.ts';

// Captured now, so that a test's fake timers cannot stop a hold.
const soon = globalThis.setImmediate;
const nextTick = process.nextTick;

/**
 * Sets keepalive timers on a socket, now or while it connects, and keeps them set: drivers,
 * agents and Node itself call `setKeepAlive` later and would reset interval and count to 1 s and 10.
 * Fields that are left out are not held.
 *
 * On a socket that is not connected yet, the options are written to each attempt, one turn after its
 * `'connectionAttempt'` (Node 20.12; before that at `'connect'`). Linux then ends an attempt that gets no answer after
 * `userTimeout`, or after 1 s if that is less, with `connect ETIMEDOUT`.
 *
 * Calling it again replaces the hold, and {@link setKeepAlive} changes its values. `false` ends the hold,
 * leaves the kernel as it is, and prevents driver modules and process rules from starting another.
 *
 * Node remembers a call of its own `setKeepAlive` that the hold kept from the kernel, and skips an equal one.
 * After the hold has ended, set the options with {@link setKeepAlive}.
 *
 * If a socket cannot have the options (a Unix socket, TLS over a generic stream, a failing system call), it
 * works without them: `onError` is called with the error, or a process warning is emitted once for each
 * code. The same happens if the connection gets less than was asked for. Without koffi or a descriptor, Node's own
 * `setKeepAlive` sets what it can.
 *
 * @param socket - a TCP or TLS socket, opened or accepted, connected or not, or an http2 session's `socket`
 * @param options - a preset's name, or options in milliseconds; `false` ends the hold
 * @param behaviour - `onError`: called with what could not be set, instead of a process warning
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

/** Starts or changes a hold on a socket, unless a caller of higher rank has set it. It never throws. */
export function holdSocket(
  socket: net.Socket,
  { settings, rank, onError, owner, isNew = false }: HoldRequest,
): void {
  try {
    const hold = holdOf(socket);
    // V8 gives an object room for the fields that it begins with, and an array of its own to a later one.
    const wanted: Hold = { settings, rank, onError, owner, listens: hold?.listens ?? false };
    // This may be the TLS socket over a connection that was held before TLS was started on it.
    if (heldBy(hold) !== undefined) {
      reportErrorAtEnd(socket);
      watch(socket);
    }
    if (isTaken(socket, rank)) return;
    const held = hold === undefined ? startHold(socket, wanted) : Object.assign(hold, wanted);
    // A socket may connect several times. Rules see each connect() themselves, and leave no listener after it.
    if (
      !held.listens &&
      (rank !== RULE || (isWaiting(socket) && attemptDescriptor(socket) === NO_DESCRIPTOR))
    ) {
      held.listens = true;
      socket.on('connectionAttempt', applyToAttempt);
      socket.on('connect', applyAtConnect);
    }
    if (socket.connecting) applyWhileConnecting(socket, held);
    else apply(socket, held, !isNew);
  } catch (thrown) {
    const error = unreadable(thrown);
    // A closed socket needs no options.
    if (!isDestroyed(error)) reportFailure(socket, { settings, rank, onError, owner }, error);
  }
}

function reportFailure(socket: net.Socket, hold: HoldRequest, error: unknown): void {
  announceFailure(socket, hold, error);
  report(error, hold.onError);
}

/** Runs work on a socket and reports its exception, which would otherwise end the process from inside an event. */
function attempt(socket: net.Socket, hold: Hold, work: () => void): void {
  try {
    work();
  } catch (error) {
    reportFailure(socket, hold, error);
  }
}

function startHold(socket: net.Socket, hold: Hold): Hold {
  // This throws if the value is no socket, before any mark is left on it.
  if (!isWaiting(socket)) connectedDescriptor(socket);
  (socket as MarkedSocket)[HOLD] = hold;
  // Another socket over the same connection, such as that of TLS started on this one, finds it on the handle.
  const handle = markedHandle(socket);
  if (handle !== undefined) handle[HOLD] = hold;
  return hold;
}

/** Whether a socket is not connected yet, or no longer. The hold then waits for its next `'connect'`. */
function isWaiting(socket: net.Socket): boolean {
  return socket.destroyed || socket.pending;
}

/** The kernel has no socket for the attempt yet: Node emits this before it connects. */
function applyToAttempt(this: MarkedSocket, address: string, port: number): void {
  notePeer(this, address, port);
  nextTick(applyToBegun, this);
}

function applyToBegun(socket: MarkedSocket): void {
  const hold = socket[HOLD];
  if (hold === undefined) return;
  attempt(socket, hold, () => {
    if (!isTaken(socket, hold.rank)) applyWhileConnecting(socket, hold);
  });
}

/**
 * Writes held settings to a socket that is still connecting, if the kernel has one for the attempt already. Happy
 * Eyeballs makes a new handle for each address.
 */
function applyWhileConnecting(socket: net.Socket, hold: Hold): void {
  const settings = heldBy(hold);
  const handle = markedHandle(socket);
  if (settings === undefined || handle === undefined) return;
  // If the kernel refuses something, that is reported now, and is not tried again at 'connect'.
  handle[TRIED] = settings;
  if (writeToAttempt(socket, settings)) keepOn(socket, handle, hold, 'kernel');
  else handle[TRIED] = undefined;
}

/** Called on the socket itself, even if the hold was started through the `socket` of an http2 session. */
function applyAtConnect(this: MarkedSocket): void {
  const hold = this[HOLD];
  if (hold === undefined) return;
  if (hold.rank === RULE) {
    hold.listens = false;
    this.removeListener('connectionAttempt', applyToAttempt);
    this.removeListener('connect', applyAtConnect);
  }
  attempt(this, hold, () => {
    // Drivers set their options in their own 'connect' listeners. The shadow stops calls that reach the
    // handle; the second check catches writes that bypass it, such as another FFI. It is skipped if the
    // first one failed, or the error would be reported twice.
    if (isApplied(this, hold)) soon(applyAgain, this, hold);
  });
}

/** Applies a hold at `'connect'`, unless that was done while the socket connected. */
function isApplied(socket: net.Socket, hold: Hold): boolean {
  const handle = markedHandle(socket);
  const wasTried = handle?.[TRIED] !== undefined && handle[TRIED] === heldBy(hold);
  return wasTried ? handle[WAY] !== undefined : applyLater(socket, hold);
}

function applyAgain(socket: net.Socket, hold: Hold): void {
  attempt(socket, hold, () => {
    const handle = markedHandle(socket);
    const settings = heldBy(hold);
    // Node cannot read back what it has written, so it is not called again.
    if (settings === undefined || handle?.[HOLD] !== hold || handle[WAY] !== 'kernel') return;
    if (isWaiting(socket) || isTaken(socket, hold.rank)) return;
    if (correctAgain(socket, settings)) announceRestored(socket, hold, settings, true);
  });
}

/** Applies a hold, unless a caller of higher rank has set another socket over the connection meanwhile. */
function applyLater(socket: net.Socket, hold: Hold): boolean {
  return !isTaken(socket, hold.rank) && apply(socket, hold);
}

/**
 * Writes those held settings that differ to a connected socket, and shadows its handle.
 *
 * @param isOld - whether the connection may have been silent before
 * @returns whether there was something to write
 */
function apply(socket: net.Socket, hold: Hold, isOld = false): boolean {
  if (isWaiting(socket)) return false;
  const settings = heldBy(hold);
  const way = settings && (isOld ? correctOld : correct)(socket, settings, hold.onError);
  const handle = markedHandle(socket);
  if (handle !== undefined) keepOn(socket, handle, hold, way);
  return way !== undefined;
}

/** Keeps what was written: from now on, Node's own calls on this handle change nothing that is held. */
function keepOn(socket: net.Socket, handle: MarkedHandle, hold: Hold, way: Way | undefined): void {
  handle[HOLD] = hold;
  handle[WAY] = way;
  shadow(handle);
  if (way === undefined) {
    handle[PENDING] = undefined;
    return;
  }
  reportErrorAtEnd(socket);
  announceHeld(socket, hold);
  const settings = heldBy(hold);
  if (way === 'kernel' && settings !== undefined) watchHeld(socket, settings);
}

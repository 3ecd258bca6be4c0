import type net from 'node:net';
import { constants } from 'node:os';
import { reasonOfLack } from '../kernel/calls.ts';
import { hasTcpInfo, readTcpInfo } from '../kernel/tcp-info.ts';
import { hasError, peek, takeError } from '../kernel/unread.ts';
import { aFunction, optional, otherwise, readFields, within } from '../options/fields.ts';
import type { KeepAliveSettings } from '../options/options.ts';
import { hasEnded, readError } from './ending.ts';
import { handleDescriptor, NO_DESCRIPTOR, ownerOf, type TcpHandle } from './handle.ts';
import { HOLD, heldBy, type MarkedHandle, SET } from './hold-record.ts';
import { limitOf, noteReceived, noteSigns, noteWritten, silentAfterField } from './overdue.ts';
import { attempt, callHandler } from './report.ts';
import { type Asked, reaper, unwatch, type Watched, watch, watchedOf } from './watched.ts';

/** The options of {@link reapLostSockets}. */
export interface ReapOptions {
  /**
   * How often each socket is looked at, in milliseconds: 100 to 3 600 000.
   *
   * @default 1 000
   */
  readonly every?: number | undefined;
  /**
   * How long the peer of a socket without a user timeout may leave data unacknowledged and be silent, in milliseconds:
   * 1 000 to 2 147 483 647.
   *
   * @default `initialDelay + interval * count` of each socket's options; one that lacks any of them is left alone
   */
  readonly silentAfter?: number | undefined;
  /**
   * Called with each socket that is lost. It is destroyed by then, and `socket.errored` says why, or it has bytes that
   * its user has not read yet: it then gets its error after them, from Node itself.
   */
  readonly onLost?: ((socket: net.Socket) => void) | undefined;
}

const EVERY = 1_000;

const ETIMEDOUT = -constants.errno.ETIMEDOUT;
const EAGAIN = -constants.errno.EAGAIN;

/** How many sockets are looked at in one turn of the event loop, if that makes no more turns than {@link MOST_TURNS}. */
const AT_ONCE = 250;
const MOST_TURNS = 40;

const fields = {
  every: otherwise(within({ min: 100, max: 3_600_000, unit: 'milliseconds' }), EVERY),
  silentAfter: silentAfterField,
  onLost: optional(aFunction<(socket: net.Socket) => void>),
};

// Captured now, so that a test's fake timers cannot stop it.
const later = globalThis.setTimeout;
const cancel = globalThis.clearTimeout;
const now = performance.now.bind(performance);

/**
 * Keeps the deadline of held sockets where the kernel overruns it, and ends those that cannot hear of their death. One
 * timer for all of them reads `TCP_INFO`:
 *
 * - If something is unacknowledged, or waits behind a closed window, and nothing was heard for `userTimeout`, or without
 *   one for `silentAfter`, the socket is destroyed with `read ETIMEDOUT`. Linux overruns its user timeout while a program
 *   keeps writing with `noDelay`, and if a router reports the peer as unreachable. A peer that answers is never ended,
 *   however slow it is.
 * - If the kernel has given the connection up, and the socket does not read because it is paused, full or half-open, it is
 *   destroyed with the kernel's error. While bytes are unread only `onLost` is called, and its user reads them first.
 *
 * The timer keeps no process alive and no socket, and never throws. Sockets that something has arrived for since the last
 * look, idle ones that hear for themselves, and those that write while nothing can be overdue yet take no system call. A second call replaces the first. Held are sockets
 * of {@link keepAlive}, of driver modules, and those that a rule opens; with `reap`, {@link installKeepAlive} adds those
 * that it accepts.
 *
 * Linux and Android; without `TCP_INFO` it does nothing.
 *
 * @param options - `every`, `silentAfter`, `onLost`
 * @returns a function that stops it
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`
 *
 * @example
 * ```ts
 * const stop = reapLostSockets({ onLost: (socket) => console.error(socket.remoteAddress, socket.errored) });
 * ```
 */
export function reapLostSockets(options: ReapOptions = {}): () => void {
  const asked = readFields('an object such as { every: 1000 }', options, fields);
  return startReaper({ ...asked, accepted: false });
}

/** Starts looking at every held socket and, for rules, at those that they accept, as long as they are installed. */
export function reapForRules(silentAfter: number | undefined): () => void {
  return startReaper({ every: EVERY, silentAfter, onLost: undefined, accepted: true });
}

/** Starts looking, in place of what was asked before. */
function startReaper(asked: Asked): () => void {
  const state = reaper();
  state.asked = asked;
  restart();
  return () => {
    if (state.asked !== asked) return;
    state.asked = undefined;
    restart();
  };
}

/** Watches a held socket, and starts the reaper for it if this kernel bounds its data in flight by nothing else. */
export function watchHeld(socket: net.Socket, settings: KeepAliveSettings): void {
  watch(socket);
  if (!isLeftToReaper(settings)) return;
  const state = reaper();
  state.isNeeded = true;
  if (state.timer === undefined) restart();
}

/** Watches an accepted socket that has its options from its listener, if rules ask for that. */
export function watchAccepted(socket: net.Socket, settings: KeepAliveSettings | undefined): void {
  if (settings !== undefined && reaper().asked?.accepted) watch(socket, settings);
}

/** Whether options without a user timeout ask for a bound on data in flight that only Linux 6.15 and later has. */
function isLeftToReaper({ userTimeout, maxRetransmitInterval }: KeepAliveSettings): boolean {
  return (
    !userTimeout && maxRetransmitInterval !== undefined && reasonOfLack('maxRetransmitInterval') !== undefined
  );
}

function restart(): void {
  const state = reaper();
  cancel(state.timer);
  state.timer = undefined;
  if (hasTcpInfo && (state.asked !== undefined || state.isNeeded)) lookAtAll();
}

/** How many turns it takes to look at so many sockets. Without any, one turn looks whether there are some by then. */
export function turnsFor(count: number): number {
  return Math.min(Math.ceil(count / AT_ONCE) || 1, MOST_TURNS);
}

/** Looks at all sockets once, some in each turn, spread over the time until they are looked at again. */
function lookAtAll(): void {
  const state = reaper();
  const every = state.asked?.every ?? EVERY;
  const turns = turnsFor(state.watched.size);
  const atOnce = Math.ceil(state.watched.size / turns);
  const sockets = state.watched.values();
  const began = now();
  let done = 0;
  state.isNeeded = false;
  const turn = () => {
    done += 1;
    for (let i = 0; i < atOnce; i++) {
      const { value } = sockets.next();
      if (value === undefined) break;
      attempt(undefined, () => look(value));
    }
    if (done < turns) wait();
    else restart();
  };
  // A turn that was late makes the next ones no later.
  const wait = () => {
    const time = now();
    const due = Math.max(time, began + (every * (done + 1)) / turns);
    state.timer = later(turn, due - time).unref();
  };
  wait();
}

function look(handle: MarkedHandle): void {
  const fd = handleDescriptor(handle);
  if (fd === NO_DESCRIPTOR) {
    unwatch(handle);
    return;
  }
  const watched = watchedOf(handle);
  const reader = watched.reader?.deref() ?? handle;
  const { asked } = reaper();
  const settings = settingsOf(handle, watched);
  if (settings === undefined) return;
  if (isLeftToReaper(settings)) reaper().isNeeded = true;
  else if (asked === undefined) return;
  // Deno does not count what was written: NaN equals no number, so that each look goes on to the kernel.
  const { bytesRead = watched.bytesRead, bytesWritten = Number.NaN } = handle;
  const { looks } = watched;
  if (bytesRead !== watched.bytesRead && !watched.isTold) {
    watched.bytesRead = bytesRead;
    noteReceived(looks);
    return;
  }
  const socket = ownerOf(reader);
  if (socket?.destroyed !== false) return;
  const hasWritten = bytesWritten !== watched.bytesWritten;
  watched.bytesWritten = bytesWritten;
  const time = now();
  const limit = limitOf(settings, asked?.silentAfter);
  const isCounted = !Number.isNaN(bytesWritten);
  const canWait = hasWritten ? isCounted && noteWritten(looks, time, limit) : looks.isClear;
  if (canWait && hears(reader, socket)) return;
  const info = readTcpInfo(fd);
  if (info.state === 'CLOSE') endIfGivenUp(watched, socket, fd);
  // An attempt to connect is left to the kernel.
  else if (info.state !== 'SYN_SENT') endIfOverdue(watched, socket, fd, noteSigns(looks, info, time, limit));
}

/** The options of a connection, unless a caller has set it without a hold, or has ended the hold. */
function settingsOf(handle: MarkedHandle, { inherited }: Watched): KeepAliveSettings | undefined {
  const hold = handle[HOLD];
  return hold === undefined && handle[SET] !== true ? inherited : heldBy(hold);
}

/** Whether libuv reads from a socket, and so hears of its death. */
function hears(reader: TcpHandle, socket: net.Socket): boolean {
  return reader.reading === true && !hasEnded(socket);
}

function endIfOverdue(watched: Watched, socket: net.Socket, fd: number, isOverdue: boolean): void {
  if (!isOverdue) {
    watched.isTold = false;
    return;
  }
  const found = nextRead(socket, fd);
  if (found > 0) declareLost(watched, socket, undefined);
  else declareLost(watched, socket, found < 0 && found !== EAGAIN ? found : ETIMEDOUT);
}

/**
 * Ends a socket that the kernel has given up. CLOSE alone is no death: an orderly end looks the same while its user has
 * not read it. An error is not read while bytes come before it, because reading it would clear it: the end of the bytes
 * would then pass for the end of the stream.
 */
function endIfGivenUp(watched: Watched, socket: net.Socket, fd: number): void {
  const found = nextRead(socket, fd);
  if (found < 0) declareLost(watched, socket, found);
  else if (found > 0 && hasError(fd)) declareLost(watched, socket, undefined);
}

/** Looks at what the user of a socket reads next: over 0 if there are bytes, 0 at the end, else a negative error number. */
function nextRead(socket: net.Socket, fd: number): number {
  if (socket.readableLength > 0 || !hasEnded(socket)) return socket.readableLength || peek(fd);
  // A half-open socket whose user has read the end has only its error left. One that was read by exact lengths may have
  // its end before it.
  return socket.readableEnded ? takeError(fd) : 0;
}

/**
 * The one place where a connection is declared lost.
 *
 * @param errno - the error to end the socket with; `undefined` while bytes are unread, which is reported once
 */
function declareLost(watched: Watched, socket: net.Socket, errno: number | undefined): void {
  const wasTold = watched.isTold;
  watched.isTold = true;
  if (errno !== undefined) socket.destroy(readError(errno));
  if (!wasTold) callHandler('onLost', () => reaper().asked?.onLost?.(socket));
}

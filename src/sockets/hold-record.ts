import type net from 'node:net';
import type { KeepAliveSettings } from '../options/options.ts';
import { type TcpHandle, tcpHandle } from './handle.ts';
import type { OnError } from './report.ts';

/**
 * Who asked for a hold. What somebody wrote for one socket beats what a driver module does for its
 * pool, which beats a rule for the whole process, in whatever order they come.
 */
export type Rank = 1 | 2 | 3;
export const RULE: Rank = 1;
export const DRIVER: Rank = 2;
export const EXPLICIT: Rank = 3;

/** Stands behind holds that end together. */
export interface HoldOwner {
  released: boolean;
}

/** What is to be held: nothing, once the hold has ended. */
export interface HoldRequest {
  readonly settings: KeepAliveSettings | undefined;
  readonly rank: Rank;
  readonly onError?: OnError | undefined;
  readonly owner?: HoldOwner | undefined;
}

/**
 * The state of one hold. It is plain data under registered symbols, because every copy of this
 * library in the process (ESM, CommonJS, another version) reads and changes it. It lies on the
 * socket and on each handle that the socket gets, and goes with them.
 */
export interface Hold {
  settings: KeepAliveSettings | undefined;
  rank: Rank;
  onError: OnError | undefined;
  owner: HoldOwner | undefined;
  /** Set where Node's own call is all there is, so that nothing can be read back or written again. */
  byNode: boolean;
  /** Set while this library itself calls Node's `setKeepAlive`, which must then pass. */
  passing: boolean;
}

const HOLD = Symbol.for('tcp-keepalive.hold');
// On a handle that was set explicitly without a hold, so that rules and driver modules leave it.
const SET = Symbol.for('tcp-keepalive.set');
// On a handle whose `setKeepAlive` is ours, which serves every hold that it gets.
const SHADOWED = Symbol.for('tcp-keepalive.shadowed');
/** On a server whose connections `keepAliveServer` sets, so that rules leave them. */
export const SERVER: unique symbol = Symbol.for('tcp-keepalive.server');

interface Marked {
  [HOLD]?: Hold;
  [SET]?: true;
  [SHADOWED]?: true;
}

export function newHold({ settings, rank, onError, owner }: HoldRequest): Hold {
  return { settings, rank, onError, owner, byNode: false, passing: false };
}

/** Puts another request in a hold's place; its listener and its shadow serve on. */
export function replaceHold(hold: Hold, { settings, rank, onError, owner }: HoldRequest): void {
  Object.assign(hold, { settings, rank, onError, owner });
}

/** What a hold holds, if it has not ended. */
export function heldBy(hold: Hold | undefined): KeepAliveSettings | undefined {
  return hold?.owner?.released ? undefined : hold?.settings;
}

/**
 * The hold of a socket. That of the connection comes first: it may have been made through another
 * socket over it, such as the one that TLS was started on.
 */
export function holdOf(socket: net.Socket): Hold | undefined {
  const handle = tcpHandle(socket);
  return (handle && holdOfHandle(handle)) ?? (socket as Marked)[HOLD];
}

export function holdOfHandle(handle: TcpHandle): Hold | undefined {
  return (handle as Marked)[HOLD];
}

export function attachHold(target: net.Socket | TcpHandle, hold: Hold): void {
  (target as Marked)[HOLD] = hold;
}

/** Whether nobody has put a `setKeepAlive` of this library before the handle's own yet. */
export function isFirstShadow(handle: TcpHandle): boolean {
  const marked = handle as Marked;
  if (marked[SHADOWED]) return false;
  marked[SHADOWED] = true;
  return true;
}

/** Whether somebody with more say has set this connection already. */
export function isTaken(socket: net.Socket, rank: Rank): boolean {
  const hold = holdOf(socket);
  if (hold !== undefined && hold.rank > rank && !hold.owner?.released) return true;
  return rank < EXPLICIT && (tcpHandle(socket) as Marked | undefined)?.[SET] === true;
}

/** Takes an explicit `setKeepAlive` into account: a hold goes on with the new values. */
export function noteExplicitCall(socket: net.Socket, settings: KeepAliveSettings): void {
  const handle = tcpHandle(socket) as Marked | undefined;
  const hold = handle?.[HOLD] ?? (socket as Marked)[HOLD];
  const held = heldBy(hold);
  if (hold !== undefined && held !== undefined) {
    replaceHold(hold, {
      settings: Object.freeze({ ...held, ...settings }),
      rank: EXPLICIT,
      onError: hold.onError,
    });
  } else if (handle !== undefined && handle[SET] !== true) {
    handle[SET] = true;
  }
}

/** Lets Node's own `setKeepAlive` through to the connection while `call` runs. */
export function passThrough<T>(socket: net.Socket, call: () => T): T {
  const handle = tcpHandle(socket);
  const hold = handle && holdOfHandle(handle);
  if (hold === undefined) return call();
  hold.passing = true;
  try {
    return call();
  } finally {
    hold.passing = false;
  }
}

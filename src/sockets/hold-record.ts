import type net from 'node:net';
import type { KeepAliveSettings } from '../options/options.ts';
import { type TcpHandle, tcpHandle } from './handle.ts';
import type { OnError } from './report.ts';

// Every symbol of this library is registered, because several copies of it may be loaded in one process
// (ESM, CommonJS, another version): each must find what the others have left.

/** On a socket, and on each handle that it gets: its {@link Hold}. */
export const HOLD: unique symbol = Symbol.for('tcp-keepalive.hold');
/** On a handle that was set explicitly without a hold, so that rules and driver modules leave it alone. */
export const SET: unique symbol = Symbol.for('tcp-keepalive.set');
/** On a handle whose `setKeepAlive` is ours, and serves every hold: the method that was there before. */
export const SHADOWED: unique symbol = Symbol.for('tcp-keepalive.shadowed');
/** On a handle with a hold: the {@link Way} on which its options were written. */
export const WAY: unique symbol = Symbol.for('tcp-keepalive.way');
/** On a handle: `true` while this library itself calls Node's `setKeepAlive`, which must then pass. */
export const PASSES: unique symbol = Symbol.for('tcp-keepalive.passes');
/** On a server whose connections `keepAliveServer` sets, so that rules leave them alone. */
export const SERVER: unique symbol = Symbol.for('tcp-keepalive.server');
/** On `globalThis`: the rules of this thread. */
export const RULES: unique symbol = Symbol.for('tcp-keepalive.rules');

/** How a connection is reached: by our own system calls, or by Node's `setKeepAlive`. */
export type Way = 'kernel' | 'node';

/** A socket with what this library leaves on it: the hold that was made for this very socket. */
export type MarkedSocket = net.Socket & { [HOLD]?: Hold };

/** A handle with what this library leaves on it, which goes with the connection. */
export interface MarkedHandle extends TcpHandle {
  [HOLD]?: Hold;
  [SET]?: true;
  [SHADOWED]?: TcpHandle['setKeepAlive'];
  [WAY]?: Way | undefined;
  [PASSES]?: boolean;
}

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

/** The state of one hold: plain data, because every copy of this library reads and changes it. */
export interface Hold {
  settings: KeepAliveSettings | undefined;
  rank: Rank;
  onError: OnError | undefined;
  owner: HoldOwner | undefined;
}

/** What a hold holds, if it has not ended. */
export function heldBy(hold: Hold | undefined): KeepAliveSettings | undefined {
  return hold?.owner?.released ? undefined : hold?.settings;
}

/** The handle of a socket's connection, for its marks. */
export function markedHandle(socket: net.Socket): MarkedHandle | undefined {
  return tcpHandle(socket);
}

/**
 * The hold of a socket. That of the connection comes first: it may have been made through another
 * socket over it, such as the one on which TLS was started.
 */
export function holdOf(socket: net.Socket): Hold | undefined {
  return markedHandle(socket)?.[HOLD] ?? (socket as MarkedSocket)[HOLD];
}

/** Whether somebody with more say has set this connection already. */
export function isTaken(socket: net.Socket, rank: Rank): boolean {
  const handle = markedHandle(socket);
  const hold = handle?.[HOLD] ?? (socket as MarkedSocket)[HOLD];
  if (hold !== undefined && hold.rank > rank && !hold.owner?.released) return true;
  return rank < EXPLICIT && handle?.[SET] === true;
}

/** Takes an explicit `setKeepAlive` into account: a hold goes on with the new values. */
export function noteExplicitCall(socket: net.Socket, settings: KeepAliveSettings): void {
  const handle = markedHandle(socket);
  const hold = handle?.[HOLD] ?? (socket as MarkedSocket)[HOLD];
  const held = heldBy(hold);
  if (hold !== undefined && held !== undefined) {
    hold.settings = Object.freeze({ ...held, ...settings });
    hold.rank = EXPLICIT;
    hold.owner = undefined;
  } else if (handle !== undefined && handle[SET] !== true) {
    handle[SET] = true;
  }
}

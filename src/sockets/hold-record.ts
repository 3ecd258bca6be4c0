import type net from 'node:net';
import type { KeepAliveSettings } from '../options/options.ts';
import { type TcpHandle, tcpHandle } from './handle.ts';
import type { OnError } from './report.ts';
import type { Watched } from './watched.ts';

// Every symbol of this library is registered, because several copies of it may be loaded in one process
// (ESM, CommonJS, another version), and each must find the marks of the others.

/** On a socket, and on each handle that it gets: its {@link Hold}. */
export const HOLD: unique symbol = Symbol.for('tcp-keepalive.hold');
/** On a handle that was set explicitly without a hold: rules and driver modules leave it alone. */
export const SET: unique symbol = Symbol.for('tcp-keepalive.set');
/** On a handle whose `setKeepAlive` this library has replaced: the original method. */
export const SHADOWED: unique symbol = Symbol.for('tcp-keepalive.shadowed');
/** On a handle with a hold: the {@link Way} by which its options were written. */
export const WAY: unique symbol = Symbol.for('tcp-keepalive.way');
/** On a handle that was reached while it connected: the settings that were then written, or were refused. */
export const TRIED: unique symbol = Symbol.for('tcp-keepalive.tried');
/** On a handle that was reached while it connected: the rules that decided then. */
export const RULED: unique symbol = Symbol.for('tcp-keepalive.ruled');
/** On a handle: `true` while this library calls Node's `setKeepAlive`, which then reaches the kernel. */
export const PASSES: unique symbol = Symbol.for('tcp-keepalive.passes');
/** On a handle at whose end the connection's error is asked for: the `onread` that Node has set. */
export const ONREAD: unique symbol = Symbol.for('tcp-keepalive.onread');
/** On a handle: the second in which it was last looked at whether its peer was silent. */
export const LOOKED: unique symbol = Symbol.for('tcp-keepalive.looked');
/** On a handle whose peer was silent then: the settings that it had already. */
export const SILENT: unique symbol = Symbol.for('tcp-keepalive.silent');
/** On a handle: the user timeout that is written once the peer has been heard. */
export const PENDING: unique symbol = Symbol.for('tcp-keepalive.pending');
/** On a handle that was told where to connect: the address, if it is not that of a name that was looked up. */
export const ADDRESS: unique symbol = Symbol.for('tcp-keepalive.address');
/** On a handle that was told where to connect: the port. */
export const PORT: unique symbol = Symbol.for('tcp-keepalive.port');
/** On a handle that a reaper looks at: what it has seen. */
export const WATCHED: unique symbol = Symbol.for('tcp-keepalive.watched');
/** On an accepted handle without a hold: what its options were set by, for those who want to hear of its loss. */
export const GIVEN: unique symbol = Symbol.for('tcp-keepalive.given');
/** On what a driver module was given, or has returned: its sockets. */
export const SOCKETS: unique symbol = Symbol.for('tcp-keepalive.sockets');
/** On a server whose connections `keepAliveServer` sets: rules leave them alone. */
export const SERVER: unique symbol = Symbol.for('tcp-keepalive.server');
/** On the target of a driver module: what was asked of its later connections, and how it hears of them. */
export const ASKED: unique symbol = Symbol.for('tcp-keepalive.asked');
/** On a function that a driver module put in place of another: that other one. */
export const WRAPPED: unique symbol = Symbol.for('tcp-keepalive.wrapped');
/** On `globalThis`: the rules of this thread. */
export const RULES: unique symbol = Symbol.for('tcp-keepalive.rules');

/** On `globalThis`: the reaper of this thread, and all that it looks at. */
export const REAPER: unique symbol = Symbol.for('tcp-keepalive.reaper');

/** How a connection is reached: by system calls of this library, or by Node's `setKeepAlive`. */
export type Way = 'kernel' | 'node';

/** A socket with the mark of this library: the hold that was made for this very socket. */
export type MarkedSocket = net.Socket & { [HOLD]?: Hold };

/** A handle with the marks of this library, which last as long as the connection. */
export interface MarkedHandle extends TcpHandle {
  [HOLD]?: Hold;
  [SET]?: true;
  [SHADOWED]?: TcpHandle['setKeepAlive'];
  [WAY]?: Way | undefined;
  [TRIED]?: KeepAliveSettings | undefined;
  [RULED]?: object;
  [PASSES]?: boolean;
  [ONREAD]?: TcpHandle['onread'];
  [LOOKED]?: object;
  [SILENT]?: KeepAliveSettings | undefined;
  [PENDING]?: KeepAliveSettings | undefined;
  [ADDRESS]?: string;
  [PORT]?: number;
  [WATCHED]?: Watched;
  [GIVEN]?: Hold;
}

/**
 * Who asked for a hold. A call for one socket beats a driver module, which beats a rule for the whole
 * process, which beats a library that asks for a socket of its own, in whatever order they come.
 */
export type Rank = 0 | 1 | 2 | 3;
export const LIBRARY: Rank = 0;
export const RULE: Rank = 1;
export const DRIVER: Rank = 2;
export const EXPLICIT: Rank = 3;

/** The names of the ranks. */
export const ranks = ['library', 'rule', 'driver', 'explicit'] as const;

/** Who set the options of a connection. */
export interface KeepAliveHolder {
  /** A library for a socket of its own, a rule of the process, a driver module, or a call for this very socket. */
  readonly rank: (typeof ranks)[number];
  /** The library, the rule as it is written, or the function that was called. */
  readonly name: string;
}

/** The common owner of holds that end together. */
export interface HoldOwner {
  released: boolean;
  /** The call or the rule that made the holds, as messages name it. */
  readonly name: string;
}

/** A request for a hold; without `settings` it ends the hold. */
export interface HoldRequest {
  readonly settings: KeepAliveSettings | undefined;
  readonly rank: Rank;
  readonly onError?: OnError | undefined;
  readonly owner?: HoldOwner | undefined;
  /** Whether the connection is new, and so was not silent before. */
  readonly isNew?: boolean;
}

/** The state of one hold. It is plain data, because every copy of this library reads and changes it. */
export interface Hold {
  settings: KeepAliveSettings | undefined;
  rank: Rank;
  onError: OnError | undefined;
  owner: HoldOwner | undefined;
  /** Whether it listens for the next `'connect'`. */
  listens: boolean;
}

/** The settings that a hold keeps, or `undefined` if it has ended. */
export function heldBy(hold: Hold | undefined): KeepAliveSettings | undefined {
  return hold?.owner?.released ? undefined : hold?.settings;
}

/** Who made a hold. */
export function holderOf({ rank, owner }: Pick<HoldRequest, 'rank' | 'owner'>): KeepAliveHolder {
  return { rank: ranks[rank], name: owner?.name ?? 'keepAlive' };
}

/** The handle of a socket, on which the marks are. */
export function markedHandle(socket: net.Socket): MarkedHandle | undefined {
  return tcpHandle(socket);
}

/**
 * The hold of a socket. That of its handle comes first, because it may have been made through another socket
 * over the same connection, such as the one on which TLS was started.
 */
export function holdOf(
  socket: net.Socket,
  handle: MarkedHandle | undefined = markedHandle(socket),
): Hold | undefined {
  return handle?.[HOLD] ?? (socket as MarkedSocket)[HOLD];
}

/** Whether a caller of higher rank has already set this connection. */
export function isTaken(socket: net.Socket, rank: Rank): boolean {
  const handle = markedHandle(socket);
  const hold = holdOf(socket, handle);
  if (hold !== undefined && hold.rank > rank && !hold.owner?.released) return true;
  return rank < EXPLICIT && handle?.[SET] === true;
}

/**
 * Records an explicit `setKeepAlive`: a hold continues with the new values.
 *
 * @returns what is held from now on, if there is a hold
 */
export function noteExplicitCall(
  socket: net.Socket,
  settings: KeepAliveSettings,
): KeepAliveSettings | undefined {
  const handle = markedHandle(socket);
  const hold = holdOf(socket, handle);
  const held = heldBy(hold);
  if (hold !== undefined && held !== undefined) {
    hold.settings = Object.freeze({ ...held, ...settings });
    hold.rank = EXPLICIT;
    hold.owner = undefined;
    return hold.settings;
  }
  if (handle !== undefined) handle[SET] = true;
  return undefined;
}

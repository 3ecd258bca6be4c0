import type net from 'node:net';
import type { KeepAliveSettings } from '../options/options.ts';
import { handleDescriptor, NO_DESCRIPTOR, readingHandle, type TcpHandle, tcpHandle } from './handle.ts';
import { type MarkedHandle, REAPER, WATCHED } from './hold-record.ts';
import { type Looks, noLooks } from './overdue.ts';

/** The record of a reaper for one connection. It is made at the first look, unless more than the handle has to be known. */
export interface Watched {
  /** The handle that its socket reads from, if that is one of TLS. */
  reader: WeakRef<TcpHandle> | undefined;
  /** The options of a connection without a hold, which it has from its listener. */
  readonly inherited: KeepAliveSettings | undefined;
  readonly looks: Looks;
  bytesRead: number;
  bytesWritten: number;
  /** Whether its loss was reported, and the bytes before it are still to be read. */
  isTold: boolean;
}

/** The checked options of a reaper. */
export interface Asked {
  readonly every: number;
  readonly silentAfter: number | undefined;
  readonly onLost: ((socket: net.Socket) => void) | undefined;
  /** Whether accepted sockets are watched that rules have set. */
  readonly accepted: boolean;
}

/** The reaper of this thread, under a registered symbol, because every copy of this library adds its own holds. */
interface Reaper {
  /** The handles of all connections to look at. Node keeps each of them itself until it is closed. */
  readonly watched: Set<MarkedHandle>;
  /** At so many, those are removed that were closed past this library, by another tool's own `close`. */
  sweepAt: number;
  asked: Asked | undefined;
  /** Whether a hold needs it that the kernel cannot bound. */
  isNeeded: boolean;
  timer: NodeJS.Timeout | undefined;
}

const FEW = 1_000;

export function reaper(): Reaper {
  const holder = globalThis as { [REAPER]?: Reaper };
  holder[REAPER] ??= {
    watched: new Set(),
    sweepAt: FEW,
    asked: undefined,
    isNeeded: false,
    timer: undefined,
  };
  return holder[REAPER];
}

/** Adds a connection to those that a reaper looks at. It makes no system call. */
export function watch(socket: net.Socket, inherited?: KeepAliveSettings): void {
  const handle: MarkedHandle | undefined = tcpHandle(socket);
  if (handle === undefined) return;
  const reading = readingHandle(socket) as TcpHandle;
  const reader = reading === handle ? undefined : new WeakRef(reading);
  const known = handle[WATCHED];
  // TLS may have been started on it meanwhile, and is what is read then.
  if (known !== undefined) known.reader = reader ?? known.reader;
  else if (reader !== undefined || inherited !== undefined) handle[WATCHED] = newWatched(reader, inherited);
  const state = reaper();
  if (state.watched.add(handle).size >= state.sweepAt) sweep(state);
}

function sweep(state: Reaper): void {
  for (const handle of state.watched)
    if (handleDescriptor(handle) === NO_DESCRIPTOR) state.watched.delete(handle);
  state.sweepAt = Math.max(FEW, 2 * state.watched.size);
}

/** Returns the record of a connection, which is new at its first look. */
export function watchedOf(handle: MarkedHandle): Watched {
  handle[WATCHED] ??= newWatched(undefined, undefined);
  return handle[WATCHED];
}

/** Forgets a connection whose handle is closed. */
export function unwatch(handle: MarkedHandle): void {
  reaper().watched.delete(handle);
}

function newWatched(
  reader: WeakRef<TcpHandle> | undefined,
  inherited: KeepAliveSettings | undefined,
): Watched {
  return {
    reader,
    inherited,
    looks: noLooks(),
    bytesRead: 0,
    bytesWritten: 0,
    isTold: false,
  };
}

import type net from 'node:net';
import type { KeepAliveSettings } from '../options/options.ts';
import { readingHandle, type TcpHandle, tcpHandle } from './handle.ts';
import { type MarkedHandle, REAPER, WATCHED } from './hold-record.ts';

/** A connection that is looked at, as long as somebody else keeps it, and what the last look saw. */
export interface Watched {
  /** The handle that its socket reads from: that of TLS, if TLS is known to run on it. */
  reader: WeakRef<TcpHandle>;
  /** The options of a connection without a hold, which it has from its listener. */
  readonly inherited: KeepAliveSettings | undefined;
  bytesRead: number;
  bytesWritten: number;
  /** The first look that saw something outstanding. */
  since: number | undefined;
  /** Whether the last look saw that nothing was. */
  isClear: boolean;
  /** Whether its loss was told, and the bytes before it are still to be read. */
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
  readonly watched: Set<Watched>;
  asked: Asked | undefined;
  /** Whether a hold needs it that the kernel cannot bound. */
  isNeeded: boolean;
  timer: NodeJS.Timeout | undefined;
}

export function reaper(): Reaper {
  const holder = globalThis as { [REAPER]?: Reaper };
  holder[REAPER] ??= { watched: new Set(), asked: undefined, isNeeded: false, timer: undefined };
  return holder[REAPER];
}

/** Adds a connection to those that a reaper looks at. It makes no system call. */
export function watch(socket: net.Socket, inherited?: KeepAliveSettings): void {
  const handle: MarkedHandle | undefined = tcpHandle(socket);
  const reading = readingHandle(socket);
  if (handle === undefined || reading === undefined) return;
  const known = handle[WATCHED];
  // TLS was started on it meanwhile, and is what is read.
  if (known !== undefined) {
    if (reading !== handle && known.reader.deref() !== reading) known.reader = new WeakRef(reading);
    return;
  }
  const watched: Watched = {
    reader: new WeakRef(reading),
    inherited,
    bytesRead: 0,
    bytesWritten: 0,
    since: undefined,
    isClear: false,
    isTold: false,
  };
  handle[WATCHED] = watched;
  reaper().watched.add(watched);
}

/** Forgets a connection whose handle is closed. */
export function unwatch(handle: MarkedHandle): void {
  const watched = handle[WATCHED];
  if (watched !== undefined) reaper().watched.delete(watched);
}

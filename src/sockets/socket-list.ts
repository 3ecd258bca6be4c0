import type net from 'node:net';
import { SOCKETS } from './hold-record.ts';

/** Sockets, listed for as long as somebody else keeps them. It is plain data, because every copy of this library adds. */
export interface SocketList {
  references: WeakRef<net.Socket>[];
  /** At this length, those that are closed or collected are removed. */
  sweepAt: number;
}

const FEW = 16;

export function newSocketList(): SocketList {
  return { references: [], sweepAt: FEW };
}

/** The list that a driver module has left on its target, if there is one. */
export function socketListOf(target: object): SocketList | undefined {
  const { [SOCKETS]: list } = target as { [SOCKETS]?: Partial<SocketList> };
  return Array.isArray(list?.references) ? (list as SocketList) : undefined;
}

/** Lists a socket. It may be listed already: whoever looks at the list sees it once. */
export function listSocket(list: SocketList, socket: net.Socket): void {
  if (list.references.push(new WeakRef(socket)) < list.sweepAt) return;
  list.references = listedSockets(list).map((open) => new WeakRef(open));
  list.sweepAt = Math.max(FEW, 2 * list.references.length);
}

/** The listed sockets that are not destroyed. */
export function listedSockets({ references }: SocketList): net.Socket[] {
  const sockets = new Set(references.map((reference) => reference.deref()));
  return [...sockets].filter((socket) => socket !== undefined).filter(isOpen);
}

function isOpen(socket: net.Socket): boolean {
  try {
    return !socket.destroyed;
  } catch {
    // The socket of an http2 session throws at each access once the session is destroyed.
    return false;
  }
}

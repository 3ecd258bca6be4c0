import type net from 'node:net';
import { ADDRESS, type MarkedHandle, markedHandle, PORT } from './hold-record.ts';

/** The other end of a connection, as far as it is known. */
export interface KeepAlivePeer {
  /** The name that was looked up for it. */
  readonly host?: string;
  /** The IP address. */
  readonly address?: string;
  /** The port: of an accepted connection, the one that its client has chosen. */
  readonly port?: number;
}

/** Notes where a connection goes, because the kernel has forgotten it when the connection is lost. */
export function notePeer(socket: net.Socket, address: string, port: number): void {
  const handle = markedHandle(socket);
  if (handle === undefined) return;
  // Node has the name, if there is one, and an address that was looked up would be kept in memory for this only.
  if (lookedUpName(socket) === undefined) handle[ADDRESS] = address;
  handle[PORT] = port;
}

/** Node keeps an address that was read once, which the kernel has forgotten when the connection is lost. */
export function rememberPeer(socket: net.Socket): void {
  void socket.remoteAddress;
}

/** The peer of a connection, which may be lost already. */
export function peerOf(
  socket: net.Socket,
  handle: MarkedHandle | undefined = markedHandle(socket),
): KeepAlivePeer {
  const host = lookedUpName(socket);
  const address = socket.remoteAddress ?? handle?.[ADDRESS];
  const port = socket.remotePort ?? handle?.[PORT];
  return {
    ...(host !== undefined && { host }),
    ...(address !== undefined && { address }),
    ...(port !== undefined && { port }),
  };
}

/** Node keeps the name that was looked up for a socket, but shows it only in `'lookup'`. */
function lookedUpName(socket: net.Socket): string | undefined {
  return (socket as { _host?: string | null })._host ?? undefined;
}

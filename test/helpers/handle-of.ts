import type net from 'node:net';

/** Node's handle of a socket, as far as drivers' calls end there. */
export interface Handle {
  close(): void;
  setKeepAlive(...args: unknown[]): number;
}

/** Node's handle of a socket. */
export function handleOf(socket: net.Socket): Handle {
  return (socket as unknown as { _handle: Handle })._handle;
}

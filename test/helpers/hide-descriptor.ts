import type net from 'node:net';

/** Hides the descriptor of a socket, as Node does on Windows. */
export function hideDescriptor(socket: net.Socket): void {
  const { _handle: handle } = socket as unknown as { _handle: object };
  Object.defineProperty(handle, 'fd', { value: undefined, configurable: true });
}

/** Undoes {@link hideDescriptor}, so that a test can ask the kernel again. */
export function showDescriptor(socket: net.Socket): void {
  const { _handle: handle } = socket as unknown as { _handle: { fd?: number } };
  delete handle.fd;
}

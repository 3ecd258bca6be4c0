import type net from 'node:net';
import { hasTable } from '../kernel/calls.ts';
import { writeDifferences } from '../kernel/settings.ts';
import { isUnsupported } from '../options/errors.ts';
import type { KeepAliveSettings } from '../options/options.ts';
import { connectedDescriptor, NO_DESCRIPTOR } from './handle.ts';
import { warnOfNodeFallback } from './report.ts';

/**
 * Writes those settings that differ to a connected socket.
 *
 * @returns whether it could. Without a descriptor, this system's table, or koffi, of which it warns,
 *   Node's own call is left.
 * @throws whatever tells that the socket is not connected, not TCP, or that a system call failed
 */
export function writeToSocket(socket: net.Socket, settings: KeepAliveSettings): boolean {
  const fd = connectedDescriptor(socket);
  if (fd === NO_DESCRIPTOR || !hasTable) return false;
  try {
    writeDifferences(fd, settings);
    return true;
  } catch (error) {
    if (!isUnsupported(error)) throw error;
    warnOfNodeFallback(error);
    return false;
  }
}

import type net from 'node:net';
import { acceptQueueLength, hasTcpInfo } from '../kernel/tcp-info.ts';
import { isNotTcp, isUnsupported } from '../options/errors.ts';
import { listenerDescriptor, NO_DESCRIPTOR } from './handle.ts';
import { type OnError, report } from './report.ts';

/**
 * Sets a listening socket, from which accepted connections inherit on Linux.
 *
 * @param write - sets it, by its descriptor
 * @param onError - told of what the kernel refuses; a Unix listener is left alone, for its clients
 *   cannot vanish
 * @returns how many of the next connections do not inherit, and must be set one by one: those that
 *   waited to be accepted, or all
 */
export function setListener(
  server: net.Server,
  write: (fd: number) => void,
  onError: OnError | undefined,
): number {
  const fd = listenerDescriptor(server);
  if (fd === NO_DESCRIPTOR || !hasTcpInfo || overwritesOptions(server)) return Number.POSITIVE_INFINITY;
  try {
    write(fd);
    return acceptQueueLength(fd);
  } catch (error) {
    // Without koffi each connection gets what Node's own call can do.
    if (isUnsupported(error)) return Number.POSITIVE_INFINITY;
    if (!isNotTcp(error)) report(error, onError);
    return 0;
  }
}

/** The server's own option is written after what was inherited. */
function overwritesOptions(server: net.Server): boolean {
  return (server as { keepAlive?: unknown }).keepAlive === true;
}

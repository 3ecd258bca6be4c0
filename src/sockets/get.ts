import type net from 'node:net';
import { hasTable } from '../kernel/calls.ts';
import { readSettings } from '../kernel/settings.ts';
import { hasTcpInfo, readTcpInfo, type TcpInfo } from '../kernel/tcp-info.ts';
import { keepAliveError } from '../options/errors.ts';
import { type KeepAliveSettings, optionRanges } from '../options/options.ts';
import { trustSettings } from '../options/parse.ts';
import { connectedDescriptor, NO_DESCRIPTOR, unreadable } from './handle.ts';

/**
 * Reads all options of a connected socket back from the kernel, in milliseconds. What this platform
 * lacks is absent. {@link setKeepAlive} accepts the result as it is, also what is out of range for
 * people. A default that Linux takes from its sysctls but not as an option (over 32 767 s, or over 127
 * probes) is accepted only if the connection has it already; otherwise the system call fails with `EINVAL`.
 *
 * @param socket - a connected TCP or TLS socket, or an http2 session's `socket`
 * @throws `ERR_KEEPALIVE_NOT_CONNECTED`, `ERR_KEEPALIVE_DESTROYED`, `ERR_KEEPALIVE_NOT_TCP`,
 *   `ERR_KEEPALIVE_UNSUPPORTED`, `ERR_KEEPALIVE_NO_DESCRIPTOR` (also on Windows and Deno, where there
 *   is nothing to read from), or the system call's error
 */
export function getKeepAlive(socket: net.Socket): KeepAliveSettings {
  const fd = readableDescriptor(socket);
  if (!hasTable) {
    throw unsupported(
      `Expected a system whose socket options are known, got ${process.platform}; CONTRIBUTING tells how to add one`,
    );
  }
  const settings = readSettings(fd);
  if (isOutOfRange(settings)) trustSettings(settings);
  return settings;
}

/**
 * Reads a connected socket's `TCP_INFO`. Linux and Android have it.
 *
 * @param socket - a connected TCP or TLS socket, or an http2 session's `socket`
 * @throws `ERR_KEEPALIVE_NOT_CONNECTED`, `ERR_KEEPALIVE_DESTROYED`, `ERR_KEEPALIVE_NOT_TCP`,
 *   `ERR_KEEPALIVE_NO_DESCRIPTOR`, `ERR_KEEPALIVE_UNSUPPORTED`, or the system call's error
 * @see https://man7.org/linux/man-pages/man7/tcp.7.html
 */
export function getTcpInfo(socket: net.Socket): TcpInfo {
  if (!hasTcpInfo) throw unsupported(`Expected Linux, which has TCP_INFO, got ${process.platform}`);
  return readTcpInfo(readableDescriptor(socket));
}

/** @throws what {@link connectedDescriptor} throws, and `ERR_KEEPALIVE_NO_DESCRIPTOR` for any socket without one */
function readableDescriptor(socket: net.Socket): number {
  let fd: number;
  try {
    fd = connectedDescriptor(socket);
  } catch (error) {
    throw unreadable(error);
  }
  if (fd !== NO_DESCRIPTOR) return fd;
  throw keepAliveError(
    'ERR_KEEPALIVE_NO_DESCRIPTOR',
    `Expected a socket with a descriptor to read from, got one without; this runtime gives none on ${process.platform}`,
  );
}

/** Another program may have set a user timeout under a second, and the system's defaults may be beyond. */
function isOutOfRange(settings: KeepAliveSettings): boolean {
  const { initialDelay = 0, interval = 0, count = 0, userTimeout = 0 } = settings;
  return (
    initialDelay > optionRanges.initialDelay.max ||
    interval > optionRanges.interval.max ||
    count > optionRanges.count.max ||
    (userTimeout > 0 && userTimeout < optionRanges.userTimeout.min)
  );
}

function unsupported(message: string): Error {
  return keepAliveError('ERR_KEEPALIVE_UNSUPPORTED', message);
}

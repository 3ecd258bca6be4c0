import type net from 'node:net';
import { hasTable } from '../kernel/calls.ts';
import { readTcpInfoHere } from '../kernel/connection-info.ts';
import { readSettings } from '../kernel/settings.ts';
import type { TcpInfo } from '../kernel/tcp-info.ts';
import { keepAliveError } from '../options/errors.ts';
import { type KeepAliveSettings, optionRanges } from '../options/options.ts';
import { trustSettings } from '../options/parse.ts';
import { connectedDescriptor, NO_DESCRIPTOR, unreadable } from './handle.ts';

/**
 * Reads all options of a connected socket back from the kernel, in milliseconds. Options that this platform
 * lacks are absent. {@link setKeepAlive} accepts the result as it is, even if it is out of the usual range.
 * A default that Linux accepts as a sysctl but not as an option (0, over 32 767 s, or over 127 probes) can only
 * be set on a connection that already has it; otherwise the system call fails with `EINVAL`.
 *
 * @param socket - a connected TCP or TLS socket, or an http2 session's `socket`
 * @throws `ERR_KEEPALIVE_NOT_CONNECTED`, `ERR_KEEPALIVE_DESTROYED`, `ERR_KEEPALIVE_NOT_TCP`,
 *   `ERR_KEEPALIVE_UNSUPPORTED`, `ERR_KEEPALIVE_NO_DESCRIPTOR` (also if none can be found, as in a worker thread on
 *   Windows), or the system call's error
 */
export function getKeepAlive(socket: net.Socket): KeepAliveSettings {
  const fd = readableDescriptor(socket);
  if (!hasTable) {
    throw unsupported(
      `Cannot read options on ${process.platform}, whose numbers are unknown; CONTRIBUTING.md says how to add a system`,
    );
  }
  const settings = readSettings(fd);
  if (isOutOfRange(settings)) trustSettings(settings);
  return settings;
}

/**
 * Reads the `TCP_INFO` of a connected socket, of Linux and Android, or the `TCP_CONNECTION_INFO` of macOS, which has
 * less: `undefined` there are `probes`, `retransmits`, `backoff`, `unacked`, `notSentBytes`, and the times since the last
 * data and acknowledgement.
 *
 * @param socket - a connected TCP or TLS socket, or an http2 session's `socket`
 * @throws `ERR_KEEPALIVE_NOT_CONNECTED`, `ERR_KEEPALIVE_DESTROYED`, `ERR_KEEPALIVE_NOT_TCP`,
 *   `ERR_KEEPALIVE_NO_DESCRIPTOR`, `ERR_KEEPALIVE_UNSUPPORTED`, or the system call's error
 * @see https://man7.org/linux/man-pages/man7/tcp.7.html
 * @see https://github.com/apple-oss-distributions/xnu/blob/main/bsd/netinet/tcp.h
 */
export function getTcpInfo(socket: net.Socket): TcpInfo {
  if (readTcpInfoHere === undefined) {
    throw unsupported(`Cannot read TCP_INFO on ${process.platform}: only Linux and macOS have it`);
  }
  return readTcpInfoHere(readableDescriptor(socket));
}

/** @throws the errors of {@link connectedDescriptor}, or `ERR_KEEPALIVE_NO_DESCRIPTOR` if there is none */
export function readableDescriptor(socket: net.Socket): number {
  let fd: number;
  try {
    fd = connectedDescriptor(socket);
  } catch (error) {
    throw unreadable(error);
  }
  if (fd !== NO_DESCRIPTOR) return fd;
  throw keepAliveError(
    'ERR_KEEPALIVE_NO_DESCRIPTOR',
    `Cannot read the options of this socket: this runtime shows no descriptor of it on ${process.platform}`,
  );
}

const timers = ['initialDelay', 'interval', 'count'] as const;

/** Another program may have set a user timeout under a second, and a sysctl may be 0 or exceed the ranges. */
function isOutOfRange(settings: KeepAliveSettings): boolean {
  const isOutside = (name: 'userTimeout' | (typeof timers)[number], value: number | undefined) =>
    value !== undefined && (value < optionRanges[name].min || value > optionRanges[name].max);
  const { userTimeout } = settings;
  return (
    timers.some((name) => isOutside(name, settings[name])) ||
    isOutside('userTimeout', userTimeout || undefined)
  );
}

function unsupported(message: string): Error {
  return keepAliveError('ERR_KEEPALIVE_UNSUPPORTED', message);
}

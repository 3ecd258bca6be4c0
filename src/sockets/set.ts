import type net from 'node:net';
import { type AppliedKeepAlive, hasTable } from '../kernel/calls.ts';
import { readSettings, writeSettings } from '../kernel/settings.ts';
import { keepAliveError } from '../options/errors.ts';
import { aBoolean, otherwise, readFields } from '../options/fields.ts';
import { type KeepAliveInput, type KeepAliveSettings, optionRanges } from '../options/options.ts';
import { parseKeepAliveOptions, trustSettings } from '../options/parse.ts';
import { connectedDescriptor, NO_DESCRIPTOR, readableDescriptor, unreadable } from './handle.ts';
import { noteExplicitCall, passThrough } from './hold-record.ts';
import { setWithNode } from './node-way.ts';

/**
 * Sets keepalive timers on a connected socket at once, each with one `setsockopt` call: on Linux
 * `TCP_KEEPIDLE`, `TCP_KEEPINTVL`, `TCP_KEEPCNT`, `TCP_USER_TIMEOUT` and `SO_KEEPALIVE`. Read them
 * back with {@link getKeepAlive}. A socket held by {@link keepAlive} goes on with the new values;
 * otherwise a later call of Node's own `setKeepAlive` resets interval and count.
 *
 * What this platform lacks is named in `skipped`. Where Node gives no descriptor (Windows, Deno) its
 * own `setKeepAlive` sets what it can.
 *
 * @param options - a preset's name, or options in milliseconds; fields left out stay as they are
 * @param behaviour - `strict`: throw for what this platform lacks, with nothing changed
 * @returns the fields written, frozen, rounded up as the kernel counts
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`, `ERR_KEEPALIVE_NOT_CONNECTED`, `ERR_KEEPALIVE_DESTROYED`,
 *   `ERR_KEEPALIVE_NOT_TCP`, `ERR_KEEPALIVE_NO_DESCRIPTOR`, `ERR_KEEPALIVE_UNSUPPORTED`, or the
 *   system call's error, such as `EBADF`, whose `applied` names the options already set
 * @see https://man7.org/linux/man-pages/man7/tcp.7.html
 *
 * @example
 * ```ts
 * setKeepAlive(socket, { ...presets.database, count: 5, userTimeout: 'auto' });
 * ```
 */
export function setKeepAlive(
  socket: net.Socket,
  options: KeepAliveInput,
  behaviour?: { strict?: boolean | undefined },
): AppliedKeepAlive {
  const settings = parseKeepAliveOptions(options);
  const strict = behaviour !== undefined && isStrict(behaviour);
  try {
    const fd = connectedDescriptor(socket);
    const applied =
      fd === NO_DESCRIPTOR || !hasTable
        ? leaveToNode(socket, settings, strict)
        : writeSettings(fd, settings, strict);
    noteExplicitCall(socket, settings);
    return applied;
  } catch (error) {
    throw unreadable(error);
  }
}

/**
 * Reads all options of a connected socket back from the kernel, in milliseconds. What this platform
 * lacks is absent. {@link setKeepAlive} accepts the result as it is, also what is out of range for
 * people. A default that Linux takes from its sysctls but not as an option (over 32 767 s, or over 127
 * probes) only where the connection has it already; elsewhere the system call fails with `EINVAL`.
 *
 * @throws `ERR_KEEPALIVE_NOT_CONNECTED`, `ERR_KEEPALIVE_DESTROYED`, `ERR_KEEPALIVE_NOT_TCP`,
 *   `ERR_KEEPALIVE_UNSUPPORTED`, `ERR_KEEPALIVE_NO_DESCRIPTOR` (also on Windows and Deno, where there
 *   is nothing to read from), or the system call's error
 */
export function getKeepAlive(socket: net.Socket): KeepAliveSettings {
  const settings = readSettings(knownDescriptor(socket));
  if (isOutOfRange(settings)) trustSettings(settings);
  return settings;
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

const strictField = { strict: otherwise(aBoolean, false) };

function isStrict(behaviour: { strict?: boolean | undefined }): boolean {
  return readFields('an object such as { strict: true }', behaviour, strictField).strict;
}

// By itself, because a closure in setKeepAlive would cost every call an allocation.
function leaveToNode(socket: net.Socket, settings: KeepAliveSettings, strict: boolean): AppliedKeepAlive {
  return passThrough(socket, () => setWithNode(socket, settings, strict));
}

function knownDescriptor(socket: net.Socket): number {
  const fd = readableDescriptor(socket);
  if (hasTable) return fd;
  throw keepAliveError(
    'ERR_KEEPALIVE_UNSUPPORTED',
    `Expected a system whose socket options are known, got ${process.platform}; CONTRIBUTING tells how to add one`,
  );
}

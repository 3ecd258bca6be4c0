import type net from 'node:net';
import type { AppliedKeepAlive } from '../kernel/calls.ts';
import { aBoolean, otherwise, readFields } from '../options/fields.ts';
import type { KeepAliveInput } from '../options/options.ts';
import { parseKeepAliveOptions } from '../options/parse.ts';
import { write } from './connection.ts';
import { announceExplicit } from './events.ts';
import { unreadable } from './handle.ts';
import { noteExplicitCall } from './hold-record.ts';
import { watchHeld } from './reap.ts';

/**
 * Sets keepalive timers on a connected socket at once, each with one `setsockopt` call: on Linux
 * `TCP_KEEPIDLE`, `TCP_KEEPINTVL`, `TCP_KEEPCNT`, `TCP_USER_TIMEOUT` and `SO_KEEPALIVE`. Read them
 * back with {@link getKeepAlive}. A hold of {@link keepAlive} continues with the new values; without one a
 * later call of Node's own `setKeepAlive` resets interval and count.
 *
 * `skipped` names the options that this platform lacks. If no descriptor can be found (a worker thread on Windows), or
 * Windows is too old, Node's own `setKeepAlive` sets what it can.
 *
 * `'bulk'` without a hold leaves data in flight to the system before Linux 6.15: nothing here looks for a lost peer then.
 *
 * If the connection was silent for longer than `initialDelay`, one lost probe would end a living peer: `userTimeout` is
 * then named in `pending`, and written once the peer has been heard.
 *
 * @param socket - a connected TCP or TLS socket, opened or accepted, or an http2 session's `socket`
 * @param options - a preset's name, or options in milliseconds; fields left out stay as they are
 * @param behaviour - `strict`: throw if this platform lacks an option, with nothing changed
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
    const applied = write(socket, settings, strict);
    const held = noteExplicitCall(socket, settings);
    if (held !== undefined) watchHeld(socket, held);
    announceExplicit(socket, settings, applied.skipped);
    return applied;
  } catch (error) {
    throw unreadable(error);
  }
}

const strictField = { strict: otherwise(aBoolean, false) };

/** @throws `ERR_KEEPALIVE_INVALID_OPTION` */
export function isStrict(behaviour: { strict?: boolean | undefined }): boolean {
  return readFields('an object such as { strict: true }', behaviour, strictField).strict;
}

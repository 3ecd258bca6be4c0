import { writeSettings } from '../kernel/settings.ts';
import { mustWait, type Pending, writeWithCare } from '../kernel/silence.ts';
import { hasTcpInfo } from '../kernel/tcp-info.ts';
import type { KeepAliveSettings } from '../options/options.ts';
import { handleDescriptor, NO_DESCRIPTOR } from './handle.ts';
import { LOOKED, type MarkedHandle, PENDING, SILENT } from './hold-record.ts';
import { attempt } from './report.ts';

// Captured now, so that a test's fake timers cannot keep a user timeout from being written.
const later = globalThis.setTimeout;
const now = performance.now.bind(performance);

/** How often a silent peer is looked at, in milliseconds. */
const SECOND = 1_000;

// It stands for the second that runs, and is on each handle that was looked at in it. To ask a clock would cost
// setKeepAlive a tenth of its time.
let thisSecond: object | undefined;

/** Whether the peer of a connection may have been silent for long. It makes no system call. */
export function mayBeSilent(
  handle: MarkedHandle | undefined,
  settings: KeepAliveSettings,
): handle is MarkedHandle {
  if (!hasTcpInfo || handle === undefined) return false;
  if (thisSecond === undefined || handle[LOOKED] !== thisSecond) return true;
  // A silent peer was looked at for these settings only.
  return handle[SILENT] !== undefined && handle[SILENT] !== settings;
}

/**
 * Writes settings to a connection whose peer may have been silent for long, and a user timeout that has to wait once
 * the peer was heard.
 *
 * @param write - writes settings to the descriptor; `current` is what was read from it, if the peer is silent
 * @returns what `write` returns; the handle is marked as {@link PENDING} if the user timeout is not written yet
 */
export function writeToSilent<T>(
  handle: MarkedHandle,
  fd: number,
  settings: KeepAliveSettings,
  write: (settings: KeepAliveSettings, current?: KeepAliveSettings) => T,
): T {
  handle[PENDING] = undefined;
  const { was, written, pending } = writeWithCare(fd, settings, write);
  if (was !== 'changed') noteLook(handle, was === 'heard' ? undefined : settings);
  if (pending !== undefined) writeOnceHeard(handle, pending);
  return written;
}

/** The settings that may be written to a connection now: without a user timeout that is pending. */
export function dueNow(handle: MarkedHandle | undefined, settings: KeepAliveSettings): KeepAliveSettings {
  if (handle?.[PENDING] === undefined) return settings;
  const { userTimeout: _pending, ...due } = settings;
  return due;
}

/** Once probes have been unanswered for as long as is allowed, the user timeout is written anyway. */
function writeOnceHeard(handle: MarkedHandle, pending: Pending): void {
  const { settings } = pending;
  handle[PENDING] = settings;
  const began = now();
  // A connection that nobody else refers to may be collected.
  const reference = new WeakRef(handle);
  const look = () => {
    const open = reference.deref();
    if (open?.[PENDING] !== settings) return;
    const fd = handleDescriptor(open);
    if (fd === NO_DESCRIPTOR) return;
    if (mustWait(fd, pending, now() - began)) {
      later(look, SECOND).unref();
    } else {
      open[PENDING] = undefined;
      attempt(undefined, () => writeSettings(fd, settings, false));
    }
  };
  later(look, SECOND).unref();
}

function noteLook(handle: MarkedHandle, silent: KeepAliveSettings | undefined): void {
  if (thisSecond === undefined) {
    thisSecond = {};
    later(() => {
      thisSecond = undefined;
    }, SECOND).unref();
  }
  handle[LOOKED] = thisSecond;
  handle[SILENT] = silent;
}

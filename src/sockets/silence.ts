import { readSettings, writeSettings } from '../kernel/settings.ts';
import { hasTcpInfo, readTcpInfo } from '../kernel/tcp-info.ts';
import type { KeepAliveSettings } from '../options/options.ts';
import { handleDescriptor, NO_DESCRIPTOR } from './handle.ts';
import { LOOKED, type MarkedHandle, PENDING, SILENT } from './hold-record.ts';
import { attempt } from './report.ts';

// On a connection that was silent before it is set, the kernel counts that silence: the first probe may go out a whole
// initialDelay later, and the first that is lost may be the last, because the user timeout is over already.

// Captured now, so that a test's fake timers cannot keep a user timeout from being written.
const later = globalThis.setTimeout;
const now = performance.now.bind(performance);

/** A silence that is no matter, and how often a silent peer is looked at, in milliseconds. */
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
 * Writes settings to a connection whose peer may have been silent for long, so that one lost probe does not end a
 * living peer: the user timeout is 0 until something is heard, and until then the count of probes decides.
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
  const silence = silenceOf(fd);
  if (silence < SECOND) {
    noteLook(handle, undefined);
    return write(settings);
  }
  const before = readSettings(fd);
  // With a user timeout, the kernel ignores the count.
  const decisive = ['enable', 'initialDelay', 'interval', 'userTimeout'] as const;
  const isSet = decisive.every((name) => settings[name] === undefined || settings[name] === before[name]);
  if (isSet) {
    noteLook(handle, settings);
    return write(settings, before);
  }
  const { enable, initialDelay, interval, count } = { ...before, ...settings } as Required<KeepAliveSettings>;
  // Multipath TCP has no user timeout.
  const userTimeout = before.userTimeout === undefined ? undefined : settings.userTimeout;
  const isPending = enable && Boolean(userTimeout) && silence > initialDelay;
  const written = write(isPending ? { ...settings, userTimeout: 0 } : settings, before);
  // Linux counts a delay that is written while probes are on from the last byte, and otherwise from now.
  if (enable && !before.enable && settings.initialDelay !== undefined) {
    writeSettings(fd, { initialDelay: settings.initialDelay }, false);
  }
  if (isPending) writeOnceHeard(handle, { userTimeout } as KeepAliveSettings, interval * count);
  return written;
}

/** The settings that may be written to a connection now: without a user timeout that is pending. */
export function dueNow(handle: MarkedHandle | undefined, settings: KeepAliveSettings): KeepAliveSettings {
  if (handle?.[PENDING] === undefined) return settings;
  const { userTimeout: _pending, ...due } = settings;
  return due;
}

/** Once probes have been unanswered for as long as is allowed, the user timeout is written anyway. */
function writeOnceHeard(handle: MarkedHandle, pending: KeepAliveSettings, within: number): void {
  handle[PENDING] = pending;
  const began = now();
  // A connection that nobody else refers to may be collected.
  const reference = new WeakRef(handle);
  const look = () => {
    const open = reference.deref();
    if (open?.[PENDING] !== pending) return;
    const fd = handleDescriptor(open);
    if (fd === NO_DESCRIPTOR) return;
    const elapsed = now() - began;
    if (elapsed < within && silenceOf(fd) > elapsed) {
      later(look, SECOND).unref();
    } else {
      open[PENDING] = undefined;
      attempt(undefined, () => writeSettings(fd, pending, false));
    }
  };
  later(look, SECOND).unref();
}

/** How long nothing was received, in milliseconds. If it cannot be read, the write that follows says why. */
function silenceOf(fd: number): number {
  try {
    const { lastDataReceived, lastAckReceived } = readTcpInfo(fd);
    return Math.min(lastDataReceived, lastAckReceived);
  } catch {
    return Number.NEGATIVE_INFINITY;
  }
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

import type { KeepAliveSettings } from '../options/options.ts';
import { readSettings, writeSettings } from './settings.ts';
import { readTcpInfo } from './tcp-info.ts';

// On a connection that was silent before it is set, the kernel counts that silence: the first probe may go out a whole
// initialDelay later, and the first that is lost may be the last, because the user timeout is over already.

/** A silence that is no matter, in milliseconds. */
const SECOND = 1_000;

/** A user timeout that is not written yet. */
export interface Pending {
  readonly settings: KeepAliveSettings;
  /** After this time it is written anyway, in milliseconds: so long unanswered probes are allowed. */
  readonly within: number;
}

/** The result of a careful write. */
export interface CarefulWrite<T> {
  /** The result of the write. */
  readonly written: T;
  /** `heard`: the peer was not silent. `same`: it was, and has these settings. `changed`: it was, and had others. */
  readonly was: 'heard' | 'same' | 'changed';
  readonly pending?: Pending;
}

/**
 * Writes settings to a connection whose peer may have been silent for long, so that one lost probe does not end a
 * living peer: the user timeout is 0 until something is heard, and until then the count of probes decides.
 *
 * @param write - writes settings to the descriptor; `current` is what was read from it, if the peer is silent
 */
export function writeWithCare<T>(
  fd: number,
  settings: KeepAliveSettings,
  write: (settings: KeepAliveSettings, current?: KeepAliveSettings) => T,
): CarefulWrite<T> {
  const silence = silenceOf(fd);
  if (silence < SECOND) return { was: 'heard', written: write(settings) };
  const before = readSettings(fd, settings);
  // With a user timeout, the kernel ignores the count.
  const decisive = ['enable', 'initialDelay', 'interval', 'userTimeout'] as const;
  const isSet = decisive.every((name) => settings[name] === undefined || settings[name] === before[name]);
  if (isSet) return { was: 'same', written: write(settings, before) };
  const { enable, initialDelay, interval, count } = { ...before, ...settings } as Required<KeepAliveSettings>;
  // Multipath TCP has no user timeout.
  const userTimeout = before.userTimeout === undefined ? undefined : settings.userTimeout;
  const isPending = enable && Boolean(userTimeout) && silence > initialDelay;
  const written = write(isPending ? { ...settings, userTimeout: 0 } : settings, before);
  // Linux counts a delay that is written while probes are on from the last byte, and otherwise from now.
  if (enable && !before.enable && settings.initialDelay !== undefined) {
    writeSettings(fd, { initialDelay: settings.initialDelay }, false);
  }
  if (!isPending) return { was: 'changed', written };
  const pending = { settings: { userTimeout } as KeepAliveSettings, within: interval * count };
  return { was: 'changed', written, pending };
}

/** Whether a pending user timeout has to wait on: for a peer that was not heard since, and not for too long. */
export function mustWait(fd: number, { within }: Pending, elapsed: number): boolean {
  return elapsed < within && silenceOf(fd) > elapsed;
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

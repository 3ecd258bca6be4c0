import { predictDetection, trustSettings } from '#core';
import type { LinuxTcpInfo } from '../kernel/tcp-info.ts';
import type { KeepAliveSettings } from '../options/options.ts';
import type { Detection, DetectionSystem, DetectionWindow } from '../predict/predict.ts';
import type { ConnectionTimer } from './list.ts';

/** When the loss of a connection is noticed, from the moment at which its peer vanished, in milliseconds. */
export interface DrillWindows {
  /** If nothing is written into the silence. */
  readonly atFirst: DetectionWindow;
  /** The same after a write into the silence, which came between two moments. */
  afterWrite(from: number, to: number): DetectionWindow;
}

/**
 * Predicts by the options of a connection and its state at the moment at which its peer vanishes.
 *
 * @param timer - its running timer
 */
export function windowsOf(
  options: KeepAliveSettings,
  { info, timer }: { readonly info: LinuxTcpInfo; readonly timer: ConnectionTimer | undefined },
  system: DetectionSystem,
): DrillWindows {
  // Another program may have set what this one would refuse.
  trustSettings(options);
  const rto = Math.max(1, info.rto / 2 ** info.backoff);
  const detection = predictDetection(options, { ...system, rto });
  const afterWrite = (from: number, to: number) => shifted(detection.unacknowledged, from, to);
  const atFirst = isInFlight(info) ? ofData(detection, info) : ofSilence(detection, options, info, timer);
  return { atFirst, afterWrite };
}

export function isInFlight({ unacked, notSentBytes = 0 }: LinuxTcpInfo): boolean {
  return unacked > 0 || notSentBytes > 0;
}

/** The clock started with the last packet that was received. */
function ofSilence(
  { idle }: Detection,
  options: KeepAliveSettings,
  { lastAckReceived, lastDataReceived }: LinuxTcpInfo,
  timer: ConnectionTimer | undefined,
): DetectionWindow {
  const silence = Math.min(lastAckReceived, lastDataReceived);
  const window = shifted(idle, -silence, -silence);
  const tick = timer?.kind === 'keepalive' ? dropTick(options, silence, timer) : undefined;
  if (tick === undefined) return window;
  const { earliest, nominal, latest } = window;
  return { ...window, earliest: Math.min(earliest, tick), latest: Math.max(latest, tick + latest - nominal) };
}

/**
 * The tick of the running timer at which the connection is dropped. If options were set during the silence, the first
 * probe comes later than `initialDelay` after it began, and the user timeout may be over one tick sooner.
 */
function dropTick(options: KeepAliveSettings, silence: number, timer: ConnectionTimer): number | undefined {
  const { initialDelay = 0, interval = 1_000, count = 1, userTimeout = 0 } = options;
  // The timer will only find that it has to wait on.
  if (silence + timer.expires < initialDelay) return undefined;
  const isOver = (ticks: number) => {
    const sent = timer.unanswered + ticks;
    return userTimeout === 0
      ? sent >= count
      : sent > 0 && silence + timer.expires + ticks * interval >= userTimeout;
  };
  let ticks = 0;
  while (!isOver(ticks)) ticks++;
  return Math.round(timer.expires + ticks * interval);
}

/** The clock started with the last write, or goes on with the window probes of a peer that does not read. */
function ofData(
  { unacknowledged, zeroWindow }: Detection,
  { lastDataSent, sendWindow }: LinuxTcpInfo,
): DetectionWindow {
  const window = shifted(unacknowledged, -lastDataSent, 0);
  if (sendWindow !== 0 || zeroWindow.latest === Infinity) return window;
  return { ...window, earliest: 0, latest: Math.max(window.latest, zeroWindow.latest) };
}

function shifted({ earliest, nominal, latest }: DetectionWindow, from: number, to: number): DetectionWindow {
  return {
    earliest: Math.max(0, Math.round(earliest + from)),
    nominal: Math.max(0, Math.round(nominal + (from + to) / 2)),
    latest: Math.max(0, Math.round(latest + to)),
  };
}

import { predictDetection, trustSettings } from '#core';
import type { TcpInfo } from '../kernel/tcp-info.ts';
import type { KeepAliveSettings } from '../options/options.ts';
import type { Detection, DetectionSystem, DetectionWindow } from '../predict/predict.ts';

/** When the loss of a connection is noticed, from the moment at which its peer vanished, in milliseconds. */
export interface DrillWindows {
  /** If nothing is written into the silence. */
  readonly atFirst: DetectionWindow;
  /** The same after a write into the silence, which came between two moments. */
  afterWrite(from: number, to: number): DetectionWindow;
}

/** Predicts by the options of a connection and its state at the moment at which its peer vanishes. */
export function windowsOf(options: KeepAliveSettings, info: TcpInfo, system: DetectionSystem): DrillWindows {
  // Another program may have set what this one would refuse.
  trustSettings(options);
  const rto = Math.max(1, info.rto / 2 ** info.backoff);
  const detection = predictDetection(options, { ...system, rto });
  const afterWrite = (from: number, to: number) => shifted(detection.unacknowledged, from, to);
  return { atFirst: isInFlight(info) ? ofData(detection, info) : ofSilence(detection, info), afterWrite };
}

export function isInFlight({ unacked, notSentBytes = 0 }: TcpInfo): boolean {
  return unacked > 0 || notSentBytes > 0;
}

/** The clock started with the last packet that was received. */
function ofSilence({ idle }: Detection, { lastAckReceived, lastDataReceived }: TcpInfo): DetectionWindow {
  const silence = Math.min(lastAckReceived, lastDataReceived);
  return shifted(idle, -silence, -silence);
}

/** The clock started with the last write, or goes on with the window probes of a peer that does not read. */
function ofData(
  { unacknowledged, zeroWindow }: Detection,
  { lastDataSent, sendWindow }: TcpInfo,
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

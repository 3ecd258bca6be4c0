import type { KeepAliveSettings } from '../options/options.ts';
import { type Detection, predictDetection } from '../predict/predict.ts';
import { type Finding, type ReviewContext, reviewKeepAlive } from '../predict/review.ts';
import type { DetectionSystem } from '../predict/system.ts';
import type { Io } from './command.ts';
import { type Packets, packetsOf } from './packets.ts';
import { labelled, paint } from './text.ts';

/** The result of explain and plan, which is drawn or printed as JSON. */
export interface Report {
  /** The preset's name, `options` or `plan`. */
  readonly name: string;
  /** The unit of every time. */
  readonly unit: 'milliseconds';
  readonly options: KeepAliveSettings;
  readonly detection: Detection;
  readonly packets: Packets;
  readonly findings: readonly Finding[];
}

export function reportOf(
  name: string,
  options: KeepAliveSettings,
  context: ReviewContext,
  system?: DetectionSystem,
): Report {
  return {
    name,
    unit: 'milliseconds',
    options,
    detection: predictDetection(options, system),
    packets: packetsOf(options, context.connections),
    findings: reviewKeepAlive(options, context),
  };
}

/** The column at which texts beside a label begin. */
export const INDENT = 16;

const severityStyles = { error: 'red', warning: 'yellow', note: 'dim' } as const;

export function drawFindings(io: Io, findings: readonly Finding[], columns: number): string[] {
  return findings.map(({ severity, code, message }) => {
    const label = paint(io, severityStyles[severity], severity) + ' '.repeat(INDENT - severity.length);
    return labelled(label, `${code}: ${message}`, INDENT, columns);
  });
}

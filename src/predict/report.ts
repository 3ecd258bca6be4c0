import type { KeepAliveSettings } from '../options/options.ts';
import { type Packets, packetsOf } from './packets.ts';
import { type Detection, predictDetection } from './predict.ts';
import { type Finding, type ReviewContext, reviewKeepAlive } from './review.ts';
import type { DetectionSystem } from './system.ts';

/** All that is known about options beforehand: the result of explain and plan, and what the calculator shows. */
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

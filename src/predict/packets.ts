import type { KeepAliveSettings } from '../options/options.ts';
import { probePeriod } from './predict.ts';

/** The packets that idle connections send and receive. */
export interface Packets {
  /** For one connection. */
  readonly perHour: number;
  readonly connections: number;
  readonly perHourOfAll: number;
}

/** Counts the probes of idle connections and their answers, one for each probe. */
export function packetsOf(settings: KeepAliveSettings, connections = 10_000): Packets {
  const perHour = (2 * 3_600_000) / probePeriod(settings);
  return { perHour, connections, perHourOfAll: perHour * connections };
}

import type { KeepAliveSettings } from '../options/options.ts';
import { probePeriod } from '../predict/predict.ts';

/** What idle connections send and receive. */
export interface Packets {
  /** Of one connection. */
  readonly perHour: number;
  readonly connections: number;
  readonly perHourOfAll: number;
}

/** The probes of idle connections and their answers: each probe is answered once. */
export function packetsOf(settings: KeepAliveSettings, connections = 10_000): Packets {
  const perHour = (2 * 3_600_000) / probePeriod(settings);
  return { perHour, connections, perHourOfAll: perHour * connections };
}

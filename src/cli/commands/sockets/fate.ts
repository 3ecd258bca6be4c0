import type { Connection, LinuxTcpInfo } from '../../../machine/index.ts';
import type { KeepAliveSettings } from '../../../options/options.ts';
import { trustSettings } from '../../../options/parse.ts';
import { predictDetection } from '../../../predict/predict.ts';
import type { DetectionSystem } from '../../../predict/system.ts';

/** The future of a connection, with times in milliseconds; `Infinity` is never. */
export interface Fate {
  /** When a peer that vanishes is noticed while the connection is idle, after the last that was heard. */
  readonly idle?: number;
  /** The same with data in flight, after it was sent; in `SYN_SENT`, after the attempt began. */
  readonly sent?: number;
  /** In how long it is lost if the peer goes on to leave probes or data unanswered. */
  readonly lostIn?: number;
  readonly finding?: FindingKind;
}

/** The mistake in a connection, by the kind of advice. */
export type FindingKind = 'off' | 'systemDefault' | 'unbounded';

/** So long nobody means to wait for a peer that has vanished. */
const LONG = 15 * 60_000;

/** The least and the longest wait before a retransmission, where the system has no others. */
const RTO_MIN = 200;
const RTO_MAX = 120_000;

/** States in which a peer that vanishes is waited for. */
const open: readonly string[] = ['ESTABLISHED', 'CLOSE_WAIT', 'SYN_SENT'];

/** The predictions for one system. */
export interface Predictor {
  readonly system: DetectionSystem;
  /** The nominal times for options, and for a retransmission timeout. */
  times(options: KeepAliveSettings, rto: number | undefined): Times;
}

interface Times {
  readonly idle: number;
  readonly sent: number;
  readonly connecting: number;
}

/** Predicts once for all connections that have the same options: of tens of thousands, few differ. */
export function predictor(system: DetectionSystem): Predictor {
  const known = new Map<string, Times>();
  return {
    system,
    times(options, rto) {
      const { enable, initialDelay, interval, count, userTimeout, maxRetransmitInterval } = options;
      const key = [enable, initialDelay, interval, count, userTimeout, maxRetransmitInterval, rto].join();
      const times = known.get(key) ?? timesOf(options, { ...system, rto });
      known.set(key, times);
      return times;
    },
  };
}

function timesOf(options: KeepAliveSettings, system: DetectionSystem): Times {
  // Another program may have set what this one would refuse.
  trustSettings(options);
  const { idle, unacknowledged, connecting } = predictDetection(options, system);
  return { idle: idle.nominal, sent: unacknowledged.nominal, connecting: connecting.nominal };
}

export function fateOf(connection: Connection, { system, times }: Predictor): Fate {
  const { options, state, info } = connection;
  if (options === undefined || !open.includes(state)) return {};
  const limit = options.maxRetransmitInterval ?? system.rtoMax ?? RTO_MAX;
  const rto = info === undefined ? undefined : firstTimeout(info, limit, system);
  const { idle, sent, connecting } = times(options, rto);
  if (state === 'SYN_SENT') return { sent: connecting };
  const finding = findingOf(options, system);
  const lostIn = lostInOf(connection, { idle, sent, rto, limit });
  return { idle, sent, ...(finding && { finding }), ...(lostIn !== undefined && { lostIn }) };
}

/** The retransmission timeout before it was doubled: if it has met its limit, as it follows from the round trip. */
function firstTimeout(
  { rto, backoff, rtt, rttVariation }: LinuxTcpInfo,
  limit: number,
  system: DetectionSystem,
): number {
  if (rto < limit) return Math.max(1, rto / 2 ** backoff);
  return Math.min(limit, rtt + Math.max(system.rtoMin ?? RTO_MIN, 4 * rttVariation));
}

function findingOf(
  { enable, initialDelay, userTimeout }: KeepAliveSettings,
  { keepaliveTime = 7_200_000 }: DetectionSystem,
): FindingKind | undefined {
  if (enable === false) return 'off';
  if (initialDelay !== undefined && initialDelay === keepaliveTime && initialDelay >= LONG)
    return 'systemDefault';
  return userTimeout === 0 ? 'unbounded' : undefined;
}

/** The rest of a time that has begun, by how long the peer was silent, or by how often data was sent again. */
function lostInOf(
  { timer, info }: Connection,
  { idle, sent, rto, limit }: { idle: number; sent: number; rto: number | undefined; limit: number },
): number | undefined {
  if (timer === undefined || info === undefined || timer.unanswered === 0) return undefined;
  if (timer.kind === 'keepalive')
    return Math.max(0, idle - Math.min(info.lastAckReceived, info.lastDataReceived));
  if (timer.kind !== 'on' || rto === undefined) return undefined;
  let waited = -timer.expires;
  // Each wait was twice as long as the one before it, until it met the limit.
  for (let doubled = 0; doubled <= info.backoff; doubled++) waited += Math.min(limit, rto * 2 ** doubled);
  return Math.max(0, sent - waited);
}

import type { Connection } from '../../../machine/index.ts';
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

/** States in which a peer that vanishes is waited for. */
const open: readonly string[] = ['ESTABLISHED', 'CLOSE_WAIT', 'SYN_SENT'];

export function fateOf(connection: Connection, system: DetectionSystem): Fate {
  const { options, state, info } = connection;
  if (options === undefined || !open.includes(state)) return {};
  // Another program may have set what this one would refuse.
  trustSettings(options);
  const backoff = info?.backoff ?? 0;
  const rto = info === undefined ? undefined : Math.max(1, info.rto / 2 ** backoff);
  const detection = predictDetection(options, { ...system, rto });
  if (state === 'SYN_SENT') return { sent: detection.connecting.nominal };
  const idle = detection.idle.nominal;
  const sent = detection.unacknowledged.nominal;
  const finding = findingOf(options, system);
  const lostIn = lostInOf(connection, { idle, sent, rto });
  return { idle, sent, ...(finding && { finding }), ...(lostIn !== undefined && { lostIn }) };
}

function findingOf(
  { enable, initialDelay, userTimeout }: NonNullable<Connection['options']>,
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
  { idle, sent, rto }: { idle: number; sent: number; rto: number | undefined },
): number | undefined {
  if (timer === undefined || info === undefined || timer.unanswered === 0) return undefined;
  if (timer.kind === 'keepalive')
    return Math.max(0, idle - Math.min(info.lastAckReceived, info.lastDataReceived));
  if (timer.kind !== 'on' || rto === undefined) return undefined;
  // Each wait was twice as long as the one before it.
  const waited = rto * (2 ** (info.backoff + 1) - 1) - timer.expires;
  return Math.max(0, sent - waited);
}

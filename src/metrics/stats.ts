import diagnostics from 'node:diagnostics_channel';
import { type RuleHits, ruleHits } from '../rules/install.ts';
import type { KeepAliveLostMessage, KeepAliveSetMessage } from '../sockets/events.ts';
import { HOLD, heldBy, markedHandle } from '../sockets/hold-record.ts';
import type { LossTimer } from '../sockets/loss.ts';
import { listedSockets, listSocket, newSocketList } from '../sockets/socket-list.ts';

/** How long peers had been silent when their connections were lost. */
export interface DetectionTimes {
  /** The upper limits of the buckets, in milliseconds, both included and cumulative, as Prometheus has them. */
  readonly buckets: readonly { readonly atMost: number; readonly count: number }[];
  /** How many losses there were whose time is known. */
  readonly count: number;
  /** The sum of their times, in milliseconds. */
  readonly sum: number;
}

/** The counts of what happened to this thread's connections since {@link keepAliveStats} was called first. */
export interface KeepAliveStats {
  /** Open connections whose options are kept set. */
  readonly held: number;
  /** How often options were written to a connection. */
  readonly set: number;
  /** How often somebody called Node's own `setKeepAlive` on a held connection, or wrote past it. */
  readonly restored: number;
  /** How often a connection had to do without options that were asked for. */
  readonly skipped: number;
  /** Lost connections, by what has ended them. `unknown` is counted on systems that do not report it. */
  readonly lost: Readonly<Record<LossTimer | 'unknown', number>>;
  /** The rules of this thread, counted from when they were installed. One with 0 hits has never matched. */
  readonly rules: readonly RuleHits[];
  /** How long the peers of lost connections had been silent. */
  readonly detection: DetectionTimes;
}

/** The limits of the buckets, in seconds: from `fastFailover` to a system that was left as it is, which takes two hours. */
export const detectionBuckets: readonly number[] = [
  1, 2, 5, 10, 15, 20, 25, 30, 60, 90, 120, 300, 900, 1_800, 7_200,
];

const counts = { set: 0, restored: 0, skipped: 0 };
const lost: Record<LossTimer | 'unknown', number> = {
  keepalive: 0,
  userTimeout: 0,
  retransmission: 0,
  icmp: 0,
  reaper: 0,
  unknown: 0,
};
const times = { buckets: detectionBuckets.map(() => 0), count: 0, sum: 0 };
const held = newSocketList();
let isCounting = false;

/**
 * Returns what has happened to this thread's connections. Counting starts with the first call, or with the first exporter
 * (`tcp-keepalive/prometheus`, `tcp-keepalive/opentelemetry`): connections that were held before are not counted in
 * `held`. Until then it costs nothing.
 *
 * @example
 * ```ts
 * keepAliveStats(); // at the start of the program
 * setInterval(() => console.log(keepAliveStats().lost), 60_000).unref();
 * ```
 */
export function keepAliveStats(): KeepAliveStats {
  startCounting();
  return {
    held: countHeld(),
    ...counts,
    lost: { ...lost },
    rules: ruleHits(),
    detection: {
      buckets: detectionBuckets.map((limit, i) => ({ atMost: limit * 1_000, count: times.buckets[i] ?? 0 })),
      count: times.count,
      sum: times.sum,
    },
  };
}

function startCounting(): void {
  if (isCounting) return;
  isCounting = true;
  diagnostics.subscribe('tcp-keepalive:set', (message) => {
    const { socket, held: isHeld } = message as KeepAliveSetMessage;
    counts.set += 1;
    if (isHeld) listSocket(held, socket);
  });
  diagnostics.subscribe('tcp-keepalive:restored', () => {
    counts.restored += 1;
  });
  diagnostics.subscribe('tcp-keepalive:skipped', () => {
    counts.skipped += 1;
  });
  diagnostics.subscribe('tcp-keepalive:lost', (message) => countLoss(message as KeepAliveLostMessage));
}

/** A socket over another, such as that of TLS, is the same connection. */
function countHeld(): number {
  const handles = listedSockets(held).map(markedHandle);
  return new Set(handles.filter((handle) => heldBy(handle?.[HOLD]) !== undefined)).size;
}

function countLoss({ timer, silence }: KeepAliveLostMessage): void {
  lost[timer ?? 'unknown'] += 1;
  if (silence === undefined) return;
  times.count += 1;
  times.sum += silence;
  detectionBuckets.forEach((limit, i) => {
    if (silence <= limit * 1_000) times.buckets[i] = (times.buckets[i] ?? 0) + 1;
  });
}

import type { KeepAliveSettings } from '../options/options.ts';
import { formatTime } from '../options/words.ts';
import type { Detection, DetectionWindow } from './predict.ts';

// The content of a time line, which a terminal and a browser draw alike.

/** One state of a connection, and what becomes of it when its peer vanishes. */
export interface TimelineState {
  readonly label: 'idle' | 'data in flight' | 'zero window' | 'connecting';
  readonly probes: readonly DetectionWindow[];
  readonly drop: DetectionWindow;
  /** Its end, in words. */
  readonly text: string;
  /** The longest outage that a living peer survives, in ms; absent if it is not predicted. */
  readonly survives?: number;
  /** The same in words; absent if every outage is survived. */
  readonly outage?: string;
}

/** The four states of a connection with these options. */
export function statesOf(options: KeepAliveSettings, detection: Detection): TimelineState[] {
  const { probes, idle, unacknowledged, zeroWindow, connecting, survives } = detection;
  const bounded = (options.userTimeout ?? 0) > 0;
  const fails = options.failOnUnreachable ?? false;
  return [
    {
      label: 'idle',
      probes,
      drop: idle,
      ...survival(survives.idle),
      text:
        idle.nominal === Infinity
          ? 'no probes: never noticed'
          : `${probed(probes.length)}, dropped after ${windowText(idle)} from the last packet received`,
    },
    {
      label: 'data in flight',
      probes: [],
      drop: unacknowledged,
      ...survival(survives.unacknowledged, fails ? 'a silent outage' : 'an outage'),
      text:
        `retransmitted, ${bounded ? 'dropped' : 'no probes; given up by tcp_retries2'} after ` +
        `${windowText(unacknowledged)} from the write${fails ? ', or at once if a router reports the peer as unreachable (ICMP)' : ''}`,
    },
    {
      label: 'zero window',
      probes: [],
      drop: zeroWindow,
      text: bounded
        ? `the peer answers but does not read: dropped after ${windowText(zeroWindow)}`
        : 'the peer answers but does not read: kept for ever',
    },
    {
      label: 'connecting',
      probes: [],
      drop: connecting,
      text:
        `no answer to the SYN: ${bounded || options.maxRetransmitInterval !== undefined ? '' : 'not bounded by these options, '}given up after ` +
        `${windowText(connecting)}. A server that accepts and then says nothing is bounded by the driver's own ` +
        'timeout only: connectionTimeoutMillis (pg), connectTimeout (mysql2, ioredis), handshakeTimeout (ws)',
    },
  ];
}

function survival(survives: number, outage = 'an outage'): Pick<TimelineState, 'survives' | 'outage'> {
  return survives === Infinity
    ? { survives }
    : { survives, outage: `survives ${outage} of ${formatTime(survives)}` };
}

function probed(probes: number): string {
  return probes === 1 ? '1 probe unanswered' : `${probes} probes unanswered`;
}

/** A window as people read it: `25s to 27.1s`, or `24.9s (24.5s to 25.2s)` if it begins before its nominal time. */
export function windowText({ earliest, nominal, latest }: DetectionWindow): string {
  const [from, due, to] = [formatTime(earliest), formatTime(nominal), formatTime(latest)];
  if (nominal === Infinity) return due;
  return from === due ? `${from} to ${to}` : `${due} (${from} to ${to})`;
}

/** The end of a time line: the drop of an idle connection. A state that takes much longer runs off it. */
export function endOf({ idle, unacknowledged, zeroWindow }: Detection): number {
  const drops = [unacknowledged, zeroWindow].map(({ latest }) => latest).filter(Number.isFinite);
  if (idle.latest === Infinity) return Math.max(...drops);
  return Math.max(idle.latest, ...drops.filter((latest) => latest <= 2 * idle.latest));
}

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 43_200].map(
  (seconds) => seconds * 1_000,
);

/** The moments at which a ruler has a tick, at most eight, and their names. */
export function ticksOf(end: number): { time: number; label: string }[] {
  const step = STEPS.find((each) => end / each <= 7) ?? Math.ceil(end / 7 / 86_400_000) * 86_400_000;
  return Array.from({ length: Math.floor(end / step) + 1 }, (_, index) => {
    const time = index * step;
    return { time, label: time === 0 ? '0' : formatTime(time) };
  });
}

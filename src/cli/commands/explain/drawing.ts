import { wordsOf } from '../../../options/words.ts';
import type { Detection, DetectionWindow } from '../../../predict/predict.ts';
import type { Io } from '../../command.ts';
import type { Packets } from '../../packets.ts';
import { drawFindings, INDENT, type Report } from '../../report.ts';
import { grouped, labelled, paint, width } from '../../text.ts';
import { drawLine, drawRuler, type Scale } from '../../timeline.ts';
import { formatTime } from '../../values.ts';

/** The report as text: a time line for each state of a connection, the packets, and the findings. */
export function draw(io: Io, report: Report): string {
  const { detection } = report;
  const columns = width(io);
  const scale = { end: endOf(detection), columns: columns - INDENT };
  const [times, ticks] = drawRuler(scale);
  return `${[
    heading(io, report, columns),
    `${' '.repeat(INDENT)}${legend(io)}`,
    '',
    `${' '.repeat(INDENT)}${paint(io, 'dim', times)}`,
    `${' '.repeat(INDENT)}${paint(io, 'dim', ticks)}`,
    ...states(report).map((state) => drawState(io, state, scale)),
    drawPackets(io, report.packets, columns),
    '',
    ...drawFindings(io, report.findings, columns),
  ].join('\n')}\n`;
}

function heading(io: Io, { name, options }: Report, columns: number): string {
  const indent = name.length + 2;
  return labelled(`${paint(io, 'bold', name)}  `, wordsOf(options).join(' '), indent, columns);
}

function legend(io: Io): string {
  const signs = [paint(io, 'cyan', '●'), paint(io, 'red', '✖'), paint(io, 'yellow', '▒')];
  return `${signs[0]} probe   ${signs[1]} dropped   ${signs[2]} if timers are late`;
}

/** The ruler ends with the drop of an idle connection. A line that takes much longer runs off it. */
function endOf({ idle, unacknowledged, zeroWindow }: Detection): number {
  const drops = [unacknowledged, zeroWindow].map(({ latest }) => latest).filter(Number.isFinite);
  if (idle.latest === Infinity) return Math.max(...drops);
  return Math.max(idle.latest, ...drops.filter((latest) => latest <= 2 * idle.latest));
}

/** One state of a connection: its name, its line, and the text under it. */
interface State {
  readonly label: string;
  readonly body: string;
  readonly probes: readonly DetectionWindow[];
  readonly drop: DetectionWindow;
  readonly text: string;
}

function states({ detection, options }: Report): State[] {
  const { probes, idle, unacknowledged, zeroWindow, connecting, survives } = detection;
  const bounded = (options.userTimeout ?? 0) > 0;
  return [
    {
      label: 'idle',
      body: '─',
      probes,
      drop: idle,
      text:
        idle.nominal === Infinity
          ? 'no probes: never noticed'
          : `${probed(probes.length)}, dropped after ${shownWindow(idle)} from the last packet received; ` +
            `survives an outage of ${formatTime(survives.idle)}`,
    },
    {
      label: 'data in flight',
      body: '━',
      probes: [],
      drop: unacknowledged,
      text:
        `retransmitted, ${bounded ? 'dropped' : 'no probes; given up by tcp_retries2'} after ` +
        `${shownWindow(unacknowledged)} from the write; survives an outage of ${formatTime(survives.unacknowledged)}`,
    },
    {
      label: 'zero window',
      body: '━',
      probes: [],
      drop: zeroWindow,
      text: bounded
        ? `the peer answers but does not read: dropped after ${shownWindow(zeroWindow)}`
        : 'the peer answers but does not read: kept for ever',
    },
    {
      label: 'connecting',
      body: '━',
      probes: [],
      drop: connecting,
      text:
        `no answer to the SYN: ${bounded || options.maxRetransmitInterval !== undefined ? '' : 'not bounded by these options, '}given up after ` +
        `${shownWindow(connecting)}. A server that accepts and then says nothing is bounded by the driver's own ` +
        'timeout only: connectionTimeoutMillis (pg), connectTimeout (mysql2, ioredis), handshakeTimeout (ws)',
    },
  ];
}

function probed(probes: number): string {
  return probes === 1 ? '1 probe unanswered' : `${probes} probes unanswered`;
}

function shownWindow({ earliest, nominal, latest }: DetectionWindow): string {
  const [from, due, to] = [formatTime(earliest), formatTime(nominal), formatTime(latest)];
  return from === due ? `${from} to ${to}` : `${due} (${from} to ${to})`;
}

function drawState(io: Io, state: State, scale: Scale): string {
  const label = paint(io, 'bold', state.label) + ' '.repeat(INDENT - state.label.length);
  const text = labelled(' '.repeat(INDENT), state.text, INDENT, INDENT + scale.columns);
  return `${label}${drawLine(io, state, scale)}\n${text}\n`;
}

function drawPackets(io: Io, { perHour, connections, perHourOfAll }: Packets, columns: number): string {
  const text =
    perHour === 0
      ? 'an idle connection sends nothing'
      : `an idle connection: ${grouped(perHour)} an hour (a probe and its answer each ${formatTime(7_200_000 / perHour)}); ` +
        `${grouped(connections)} connections: ${grouped(perHourOfAll)} an hour, ${grouped(perHourOfAll / 3_600)} a second`;
  return labelled(
    paint(io, 'bold', 'packets') + ' '.repeat(INDENT - 'packets'.length),
    text,
    INDENT,
    columns,
  );
}

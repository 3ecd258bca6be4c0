import { grouped } from '../../../options/show.ts';
import { formatTime, wordsOf } from '../../../options/words.ts';
import type { Packets } from '../../../predict/packets.ts';
import type { Report } from '../../../predict/report.ts';
import { endOf, statesOf, type TimelineState } from '../../../predict/timeline.ts';
import type { Io } from '../../command.ts';
import { drawFindings, INDENT } from '../../report.ts';
import { labelled, paint, width } from '../../text.ts';
import { drawLine, drawOutage, drawRuler, type Scale } from '../../timeline.ts';

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
    ...statesOf(report.options, detection).map((state) => drawState(io, state, scale)),
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

function drawState(io: Io, state: TimelineState, scale: Scale): string {
  const { probes, drop, survives, outage } = state;
  const body = state.label === 'idle' ? '─' : '━';
  const label = paint(io, 'bold', state.label) + ' '.repeat(INDENT - state.label.length);
  const indent = ' '.repeat(INDENT);
  const lines = survives === undefined || outage === undefined ? [] : drawOutage(io, survives, outage, scale);
  return [
    `${label}${drawLine(io, { body, probes, drop }, scale)}`,
    ...lines.map((line) => indent + line),
    `${labelled(indent, state.text, INDENT, INDENT + scale.columns)}\n`,
  ].join('\n');
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

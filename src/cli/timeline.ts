import type { DetectionWindow } from '../predict/predict.ts';
import { ticksOf } from '../predict/timeline.ts';
import type { Io } from './command.ts';
import { paint } from './text.ts';

/** The scale of a time line, which maps moments to columns. */
export interface Scale {
  /** The moment of the last column, in ms. */
  readonly end: number;
  readonly columns: number;
}

/** The line of one state of a connection. */
export interface Line {
  /** The character for the time before the drop. */
  readonly body: string;
  readonly probes: readonly DetectionWindow[];
  readonly drop: DetectionWindow;
}

/** Draws the two lines of a ruler: times, and a tick under the first character of each. */
export function drawRuler(scale: Scale): [times: string, ticks: string] {
  const times = new Array<string>(scale.columns).fill(' ');
  const ticks = new Array<string>(scale.columns).fill('─');
  for (const { time, label } of ticksOf(scale.end)) {
    const column = columnOf(time, scale);
    if (column + label.length > scale.columns) continue;
    ticks[column] = time === 0 ? '├' : '┬';
    for (const [index, letter] of [...label].entries()) times[column + index] = letter;
  }
  return [times.join('').trimEnd(), ticks.join('')];
}

/** Draws one state: `·········●────●────●────✖▒▒▒`. */
export function drawLine(io: Io, { body, probes, drop }: Line, scale: Scale): string {
  const cells = new Array<string>(scale.columns).fill(' ');
  const end = drop.nominal > scale.end ? scale.columns - 1 : columnOf(drop.nominal, scale);
  const first = probes[0] === undefined ? 0 : columnOf(probes[0].nominal, scale);
  for (let column = 0; column <= end; column++) {
    cells[column] = probes.length > 0 && column < first ? paint(io, 'dim', '·') : body;
  }
  if (drop.nominal > scale.end) {
    cells[end] = paint(io, 'dim', '▶');
    return cells.join('');
  }
  for (let column = columnOf(drop.earliest, scale); column <= columnOf(drop.latest, scale); column++) {
    if (column < scale.columns) cells[column] = paint(io, 'yellow', '▒');
  }
  for (const { nominal } of probes) cells[columnOf(nominal, scale)] = paint(io, 'cyan', '●');
  cells[end] = paint(io, 'red', '✖');
  return cells.join('').trimEnd();
}

/** Draws the longest outage that a living peer survives: `╰── survives an outage of 20s ──╯`. */
export function drawOutage(io: Io, survives: number, text: string, scale: Scale): string[] {
  const isBeyond = survives > scale.end;
  const inner = Math.max(0, (isBeyond ? scale.columns - 1 : columnOf(survives, scale)) - 1);
  const bracket = (inside: string) => paint(io, 'green', `╰${inside}${isBeyond ? '▶' : '╯'}`);
  const label = ` ${text} `;
  if (inner >= label.length + 2) {
    const left = (inner - label.length) >> 1;
    return [bracket(`${'─'.repeat(left)}${label}${'─'.repeat(inner - label.length - left)}`)];
  }
  const line = bracket('─'.repeat(inner));
  return inner + 2 + label.length > scale.columns ? [line, text] : [`${line} ${text}`];
}

function columnOf(time: number, { end, columns }: Scale): number {
  return Math.round((time / end) * (columns - 1));
}

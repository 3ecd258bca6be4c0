import util from 'node:util';
import { wrap } from '../options/show.ts';
import type { Io } from './command.ts';

/** The widest line, so that the text can be read and pasted anywhere. */
const WIDEST = 80;
const NARROWEST = 50;

export function width(io: Io): number {
  return Math.max(NARROWEST, Math.min(io.columns, WIDEST));
}

type Style = 'bold' | 'dim' | 'red' | 'yellow' | 'green' | 'cyan';

/** Colours text, if colour is wanted. */
export function paint(io: Io, style: Style, text: string): string {
  // `terminal()` has decided already; newer versions of Node would decide again, by process.stdout.
  return io.color ? util.styleText(style, text, { validateStream: false }) : text;
}

/** Stands for the space in `10 000` and `24.5 s`, at which no line ends. */
const UNTORN = '\u00a0';

/** Text beside a label, with all lines indented alike. */
export function labelled(label: string, text: string, indent: number, columns: number): string {
  const lines = wrap(text.replace(/(\d) (?=\d{3}\b|m?s\b)/g, `$1${UNTORN}`), columns - indent);
  const [first, ...others] = lines.map((line) => line.replaceAll(UNTORN, ' '));
  return [`${label}${first}`, ...others.map((line) => ' '.repeat(indent) + line)].join('\n');
}

/** A result as `--json` prints it. JSON has no `Infinity`: `null` means never. */
export function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

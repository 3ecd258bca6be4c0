import type { WriteStream } from 'node:tty';

const LABEL_WIDTH = 11;
const CELL_WIDTH = 23;
const WIDTH = 80;
const TONES = { plain: '', strong: '1', quiet: '2', good: '1;32', bad: '1;31' } as const;

/** A piece of text, and how it is shown where there is colour. */
export interface Cell {
  readonly text: string;
  readonly tone?: keyof typeof TONES;
}

/**
 * Where the demo writes. What is written stays, but for one line at the bottom that moves with the
 * time; a file or a pipe, or a terminal that is too narrow for it, never gets that line.
 */
export interface Screen {
  write(text?: string, tone?: keyof typeof TONES): void;
  row(label: string, cells: readonly Cell[]): void;
  /** Replaces the line at the bottom. */
  live(label: string, cells: readonly Cell[]): void;
  /** Removes the line at the bottom. */
  clear(): void;
}

/** Writes to standard output. Colour is for terminals, and not where `NO_COLOR` is set. */
export function openScreen(
  output: Pick<WriteStream, 'isTTY' | 'columns' | 'write'> = process.stdout,
): Screen {
  const isTerminal = output.isTTY === true && process.env.TERM !== 'dumb';
  const isWide = () => output.columns >= WIDTH;
  const isColoured = isTerminal && !process.env.NO_COLOR;
  const clear = isTerminal ? '\r\x1b[K' : '';

  // Each line by itself: some terminals and all recordings end a style with its line.
  const paint = (text: string, tone: keyof typeof TONES = 'plain') =>
    isColoured && tone !== 'plain' ? text.replace(/.+/g, `\x1b[${TONES[tone]}m$&\x1b[0m`) : text;
  const line = (label: string, cells: readonly Cell[]) => {
    // The last one is not padded: spaces that nobody sees would wrap the line at 80 columns.
    const width = (i: number) => (i < cells.length - 1 ? CELL_WIDTH : 0);
    const painted = cells.map(({ text, tone }, i) => paint(text.padEnd(width(i)), tone));
    return `  ${label.padEnd(LABEL_WIDTH)}${painted.join('')}`;
  };

  return {
    write(text = '', tone) {
      output.write(`${clear}${paint(text, tone)}\n`);
    },
    row(label, cells) {
      output.write(`${clear}${line(label, cells)}\n`);
    },
    live(label, cells) {
      if (isTerminal && isWide()) output.write(clear + line(label, cells));
    },
    clear() {
      output.write(clear);
    },
  };
}

import { stripVTControlCharacters } from 'node:util';

// What a program wrote to a terminal, as an animated SVG. It knows what the demo writes, and no more: lines that stay,
// and one at the bottom that is written again and again, in some styles.

/** What was written at a time, in milliseconds. */
export interface Chunk {
  readonly time: number;
  readonly text: string;
}

/** Where the lines that stay are complete, and what the one below them says, from a time on. */
interface Moment {
  readonly time: number;
  readonly lines: number;
  readonly live: string;
}

const [COLUMNS, ROWS] = [80, 24];
const [LETTER, LINE, MARGIN] = [8.43, 19, 16];
/** How often the line at the bottom changes, in milliseconds of the recording. */
const FRAME = 100;
/** How long the last picture stays, in milliseconds. */
const PAUSE = 8_000;
/** The styles that the demo uses, by the numbers of their escape sequences. */
const STYLES: Readonly<Record<string, string>> = { 1: 'strong', 2: 'quiet', '1;32': 'good', '1;31': 'bad' };

/** Reads the two files of `script -O output -T timing`. */
export function timedOutput(output: Buffer, timing: string): Chunk[] {
  // The first line of the output is not the program's.
  let [at, time] = [output.indexOf('\n') + 1, 0];
  return [...timing.matchAll(/^([\d.]+) (\d+)$/gm)].map(([, seconds, bytes]) => {
    time += Number(seconds) * 1_000;
    const from = at;
    at += Number(bytes);
    return { time, text: output.toString('utf8', from, at) };
  });
}

/** Draws a recording. One who wants no motion sees its end. */
export function recordingOf(
  chunks: readonly Chunk[],
  { title, speed }: { title: string; speed: number },
): string {
  const { lines, moments } = play(chunks, FRAME * speed);
  const duration = (moments.at(-1)?.time ?? 0) / speed + PAUSE;
  const at = ({ time }: Moment) => `${((time / speed / duration) * 100).toFixed(2)}%`;
  const frames = (name: string, position: (moment: Moment) => number) =>
    `@keyframes ${name}{${stepsOf(moments.map((moment) => [at(moment), position(moment)]))
      .map(([share, y]) => `${share}{transform:translateY(${y}px)}`)
      .join('')}}`;
  const scrolled = (count: number) => -LINE * Math.max(0, count + 1 - ROWS);
  const [width, height] = [COLUMNS * LETTER + 2 * MARGIN, ROWS * LINE + 2 * MARGIN];
  const lives = [...new Set(moments.map(({ live }) => live))];
  const all = lines.length;
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" role="img" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">` +
    `<title>${escaped(title)}</title><desc>${escaped(stripVTControlCharacters(lines.join('\n')))}</desc>` +
    `<style>${STYLE}#screen{transform:translateY(${scrolled(all)}px)}#cover{transform:translateY(${all * LINE}px)}` +
    `@media(prefers-reduced-motion:no-preference){#screen,#cover,#live{animation:${Math.round(duration)}ms step-end infinite}` +
    `#screen{animation-name:screen}#cover{animation-name:cover}#live{animation-name:live}}` +
    frames('screen', ({ lines: count }) => scrolled(count)) +
    frames('cover', ({ lines: count }) => count * LINE) +
    frames('live', ({ live }) => -LINE * lives.indexOf(live)) +
    `</style><rect class="back" width="${width}" height="${height}" rx="8"/>` +
    `<svg x="${MARGIN}" y="${MARGIN}" width="${width - 2 * MARGIN}" height="${ROWS * LINE}"><g id="screen">${linesOf(lines)}` +
    `<g id="cover"><rect class="back" width="${width}" height="${(all + 1) * LINE}"/>` +
    `<svg width="${width}" height="${LINE}"><g id="live">${linesOf(lives)}</g></svg></g></g></svg></svg>\n`
  );
}

/** Writes the chunks to a terminal that keeps each line, and looks at it each time so much has passed. */
function play(chunks: readonly Chunk[], every: number): { lines: string[]; moments: Moment[] } {
  const lines: string[] = [];
  const moments: Moment[] = [];
  let live = '';
  for (const { time, text } of chunks) {
    const [last = '', ...before] = (live + text).replaceAll('\r\n', '\n').split('\n').reverse();
    lines.push(...before.reverse().map(shown));
    live = shown(last);
    const { time: seen = -every, lines: count = 0 } = moments.at(-1) ?? {};
    if (time - seen >= every || lines.length > count) moments.push({ time, lines: lines.length, live });
  }
  return { lines, moments: [...moments, { time: chunks.at(-1)?.time ?? 0, lines: lines.length, live }] };
}

/** A line as it is left when it has been cleared. */
function shown(line: string): string {
  return line.slice(line.lastIndexOf('\x1b[K') + 1).replace(/^\[K/, '');
}

/** The shares of the time at which a position changes; of several at once, the last. */
function stepsOf(positions: readonly (readonly [share: string, y: number])[]): (readonly [string, number])[] {
  return [...new Map(positions)].filter(([, y], index, all) => index === 0 || y !== all[index - 1]?.[1]);
}

function linesOf(lines: readonly string[]): string {
  return lines.map((line, row) => `<text y="${row * LINE + 14}">${styled(line)}</text>`).join('');
}

function styled(line: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: an escape sequence begins with one.
  return line.replace(/\x1b\[([\d;]+)m([^\x1b]*)\x1b\[0m|[^\x1b]+/g, (all, style, text) =>
    style === undefined ? escaped(all) : `<tspan class="${STYLES[style]}">${escaped(text)}</tspan>`,
  );
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

const STYLE =
  'text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;white-space:pre;fill:#1f2328}' +
  '.back{fill:#f6f8fa}.strong{font-weight:700}.quiet{fill:#59636e}.good{font-weight:700;fill:#1a7f37}.bad{font-weight:700;fill:#cf222e}' +
  '@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.back{fill:#151b23}.quiet{fill:#9198a1}.good{fill:#3fb950}.bad{fill:#ff7b72}}';

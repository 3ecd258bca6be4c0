import { formatTime } from '../options/words.ts';
import { aPath, type PathInput } from './paths.ts';
import type { DetectionWindow } from './predict.ts';
import type { Report } from './report.ts';
import { endOf, statesOf, type TimelineState, ticksOf, windowText } from './timeline.ts';

// Time lines as SVG, for the site, the README and `explain --svg`. A picture needs nothing but itself.

/** The colours of a picture; `auto` follows those of its reader. */
export type Theme = 'light' | 'dark' | 'auto';

/** A moment that concerns all or the first of the rows. */
export interface Mark {
  readonly kind: 'path' | 'deadline';
  /** In milliseconds; it is not drawn if it is beyond the end. */
  readonly time: number;
  readonly label: string;
}

/** One line of a picture. */
export interface Row {
  /** A heading above the row, for the first of a group. */
  readonly heading?: string;
  readonly label: string;
  /** The text below the line. */
  readonly note: string;
  readonly probes: readonly DetectionWindow[];
  readonly drop: DetectionWindow;
  readonly survives?: number;
  /** Whether a new connection takes its place once it is dropped. */
  readonly isReplaced?: boolean;
}

/** A picture of time lines, all in milliseconds and pixels. */
export interface Picture {
  readonly title: string;
  /** The same in words, for those who do not see it. */
  readonly description: string;
  readonly rows: readonly Row[];
  readonly marks?: readonly Mark[];
  /** The last moment that is drawn. */
  readonly end: number;
  /** @default 760 */
  readonly width?: number;
  /** @default 'auto' */
  readonly theme?: Theme;
}

/** The surroundings that a time line shows, and its size and colours. */
export interface Surroundings {
  readonly path?: PathInput | undefined;
  /** The time within which a vanished peer must be noticed. */
  readonly deadline?: number | undefined;
  readonly width?: number | undefined;
  readonly theme?: Theme | undefined;
}

/** Draws what becomes of a connection with the options of a report, in each of its four states. */
export function drawReport(report: Report, { path, deadline, width, theme }: Surroundings = {}): string {
  const states = statesOf(report.options, report.detection);
  const marks = [...pathMark(path), ...deadlineMark(deadline)];
  return drawPicture({
    title: `What Linux does when the peer vanishes: ${report.name}`,
    description: states.map(inWords).join(' '),
    rows: states.map((state) => ({ ...state, note: noteOf(state) })),
    marks,
    end: roomFor(marks, endOf(report.detection)),
    ...(width === undefined ? {} : { width }),
    ...(theme === undefined ? {} : { theme }),
  });
}

function inWords({ label, text, outage }: TimelineState): string {
  return `${label}: ${text}${outage === undefined ? '' : `; ${outage}`}.`;
}

/** When a state ends, in a few words. */
function noteOf({ label, drop, survives }: TimelineState): string {
  if (drop.nominal === Infinity) return survives === undefined ? 'kept for ever' : 'never noticed';
  const outage = survives === undefined ? '' : ` · survives an outage of ${formatTime(survives)}`;
  return `${label === 'connecting' ? 'given up' : 'dropped'} after ${windowText(drop)}${outage}`;
}

function pathMark(path: PathInput | undefined): Mark[] {
  if (path === undefined) return [];
  const { limit, probesCount, title } = aPath(path, 'path');
  const after = `the path forgets after ${formatTime(limit)}${probesCount ? '' : ' without payload'}`;
  return [{ kind: 'path', time: limit, label: title === 'the path' ? after : `${after} · ${title}` }];
}

function deadlineMark(deadline: number | undefined): Mark[] {
  return deadline === undefined
    ? []
    : [{ kind: 'deadline', time: deadline, label: `must be noticed within ${formatTime(deadline)}` }];
}

/** A mark that is not far off is drawn; one beyond twice the end would leave no room for the rest. */
function roomFor(marks: readonly Mark[], end: number): number {
  const near = marks.filter(({ time }) => time <= 2 * end);
  return Math.max(end, ...near.map(({ time }) => time * 1.04));
}

const PADDING = 16;
const LABEL_WIDTH = 118;
const NARROW = 560;
const FONT = 13;
const SMALL = 11.5;
/** The width of a letter of small text, as a share of its height: a little more than that of most fonts. */
const LETTER = 0.56;

interface Layout {
  readonly width: number;
  readonly isNarrow: boolean;
  readonly left: number;
  readonly right: number;
  x(time: number): number;
}

function layoutOf(width: number, end: number): Layout {
  const isNarrow = width < NARROW;
  const left = PADDING + (isNarrow ? 0 : LABEL_WIDTH);
  const right = width - PADDING - 8;
  return { width, isNarrow, left, right, x: (time) => round(left + (time / end) * (right - left)) };
}

/** Draws a picture as one SVG element, which can be a file or part of a page. */
export function drawPicture({
  title,
  description,
  rows,
  marks = [],
  end,
  width = 760,
  theme = 'auto',
}: Picture): string {
  const layout = layoutOf(width, end);
  const parts: string[] = [];
  let y = PADDING;
  for (const mark of marks) {
    parts.push(drawMarkLabel(mark, y + 10, layout, end));
    y += 18;
  }
  const top = y + 20;
  parts.push(drawRuler(top, layout, end));
  y = top + 8;
  const bottoms: number[] = [];
  for (const row of rows) {
    const { svg, height } = drawRow(row, y, layout, end);
    parts.push(svg);
    y += height;
    bottoms.push(y);
  }
  const lines = marks.map((mark) => drawMarkLine(mark, top, bottoms, layout, end));
  const legend = drawLegend(rows, y + 14, layout);
  const height = legend.bottom + PADDING;
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" class="tk" role="img" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">` +
    `<title>${escaped(title)}</title><desc>${escaped(description)}</desc><style>${styleOf(theme)}</style>` +
    `<rect class="tk-card" x=".5" y=".5" width="${width - 1}" height="${height - 1}" rx="8"/>` +
    `${lines.join('')}${parts.join('')}${legend.svg}</svg>\n`
  );
}

function drawRuler(y: number, { left, right, x, isNarrow }: Layout, end: number): string {
  const ticks = ticksOf(end);
  // On a narrow picture half of the names have room.
  const named = isNarrow && ticks.length > 5 ? ticks.filter((_, index) => index % 2 === 0) : ticks;
  const path = ticks.map(({ time }) => `M${x(time)} ${y}v-5`).join('');
  const names = named.map(({ time, label }) =>
    textAt(x(time), y - 9, label, 'tk-muted', x(time) > right - 14 ? 'end' : time === 0 ? 'start' : 'middle'),
  );
  return `<path class="tk-ruler" d="M${left} ${y}H${right}${path}"/>${names.join('')}`;
}

function drawRow(row: Row, top: number, layout: Layout, end: number): { svg: string; height: number } {
  const { isNarrow, left } = layout;
  const heading = row.heading === undefined ? 0 : 26;
  const middle = top + heading + (isNarrow ? 34 : 22);
  const label = isNarrow
    ? textAt(left, middle - 14, row.label, 'tk-label')
    : textAt(PADDING, middle + 4, row.label, 'tk-label');
  const notes = linesOf(row.note, layout);
  const svg = [
    row.heading === undefined ? '' : textAt(PADDING, top + 24, row.heading, 'tk-heading'),
    label,
    drawSurvival(row, middle, layout, end),
    drawBody(row, middle, layout, end),
    drawReplacement(row, middle, layout, end),
    drawEnd(row, middle, layout, end),
    ...notes.map((note, index) => textAt(left, middle + 21 + 15 * index, note, 'tk-muted')),
  ].join('');
  return { svg: `<g>${svg}</g>`, height: heading + (isNarrow ? 49 : 37) + 15 * notes.length };
}

/** The outage that a living peer survives: a band behind the line, with a post at its end. */
function drawSurvival({ survives }: Row, y: number, { left, right, x }: Layout, end: number): string {
  if (survives === undefined || survives <= 0) return '';
  const to = Math.min(right, x(survives));
  const post = survives > end ? '' : `<path class="tk-post" d="M${to} ${y - 8}v16"/>`;
  return `<rect class="tk-survives" x="${left}" y="${y - 6}" width="${round(to - left)}" height="12" rx="2"/>${post}`;
}

/** Silence is dotted, and then probes go out; anything else is a connection that goes on trying. */
function drawBody(
  { probes, drop, survives }: Row,
  y: number,
  { left, right, x }: Layout,
  end: number,
): string {
  const to = Math.min(right, x(drop.nominal));
  const [first] = probes;
  if (first === undefined) {
    return `<path class="${survives === Infinity ? 'tk-silence' : 'tk-trying'}" d="M${left} ${y}H${to}"/>`;
  }
  const from = Math.min(to, x(first.nominal));
  const dots = probes
    .filter(({ nominal }) => nominal <= end)
    .map(
      ({ nominal }) =>
        `<circle class="tk-probe" cx="${x(nominal)}" cy="${y}" r="${probes.length > 40 ? 2 : 4.5}"/>`,
    );
  return `<path class="tk-silence" d="M${left} ${y}H${from}"/><path class="tk-probing" d="M${from} ${y}H${to}"/>${dots.join('')}`;
}

/** The connection that takes the place of the dropped one. */
function drawReplacement({ drop, isReplaced }: Row, y: number, { right, x }: Layout, end: number): string {
  return isReplaced && drop.latest < end
    ? `<path class="tk-works" d="M${x(drop.latest)} ${y}H${right}"/>`
    : '';
}

/** The drop, and the window in which it comes; or an arrow if it is beyond the end. */
function drawEnd({ drop }: Row, y: number, { right, x }: Layout, end: number): string {
  if (drop.nominal > end) return `<path class="tk-beyond" d="M${right - 4} ${y - 5}l8 5l-8 5z"/>`;
  const [from, at, to] = [x(drop.earliest), x(drop.nominal), Math.min(right + 8, x(drop.latest))];
  const band = `<rect class="tk-late" x="${from}" y="${y - 8}" width="${round(Math.max(2, to - from))}" height="16" rx="2"/>`;
  return `${band}<path class="tk-drop" d="M${at - 5} ${y - 5}l10 10m0-10l-10 10"/>`;
}

/** The label of a mark, on that side of its line that has more room; without its last part if that is too little. */
function drawMarkLabel(mark: Mark, y: number, { left, right, x }: Layout, end: number): string {
  const [first = ''] = mark.label.split(' · ');
  const at = Math.min(right, x(mark.time));
  const isRight = at > (left + right) / 2;
  const room = isRight ? at - PADDING : right - at;
  const label = widthOf(mark.label) + 14 <= room ? mark.label : first;
  if (widthOf(label) > room) return textAt(PADDING, y, label, `tk-${mark.kind}-text`);
  const arrow = mark.time > end ? '▸' : '▾';
  const [text, anchor] = isRight
    ? ([`${label} ${arrow}`, 'end'] as const)
    : ([`${arrow} ${label}`, 'start'] as const);
  return textAt(isRight ? at + 4 : at - 4, y, text, `tk-${mark.kind}-text`, anchor);
}

/** A path forgets what is silent, which is the first row; a deadline is for all. */
function drawMarkLine(
  { kind, time }: Mark,
  top: number,
  bottoms: readonly number[],
  { x }: Layout,
  end: number,
): string {
  const bottom = kind === 'path' ? bottoms[0] : bottoms.at(-1);
  if (time > end || bottom === undefined) return '';
  return `<path class="tk-${kind}" d="M${x(time)} ${top - 4}V${bottom - 4}"/>`;
}

/** The signs that the rows have, on as many lines as they need. */
function drawLegend(rows: readonly Row[], top: number, { width }: Layout): { svg: string; bottom: number } {
  const shown = [
    rows.some(({ probes }) => probes.length > 0)
      ? { sign: '<circle class="tk-probe" cx="7" cy="-4" r="4.5"/>', text: 'probe' }
      : [],
    { sign: '<path class="tk-drop" d="M2-9l10 10m0-10l-10 10"/>', text: 'dropped' },
    {
      sign: '<rect class="tk-late" x="0" y="-11" width="14" height="14" rx="2"/>',
      text: 'the drop may come in this window',
    },
    rows.some(({ isReplaced }) => isReplaced)
      ? { sign: '<path class="tk-works" d="M1-4h13"/>', text: 'a new connection works' }
      : [],
    rows.some(({ survives }) => survives !== undefined)
      ? {
          sign: '<rect class="tk-survives" x="0" y="-10" width="12" height="12" rx="2"/><path class="tk-post" d="M13-12v16"/>',
          text: 'an outage that a living peer survives',
        }
      : [],
  ].flat();
  let [x, y] = [PADDING, top + 6];
  const parts = shown.map(({ sign, text }) => {
    const needs = 20 + widthOf(text) + 16;
    if (x > PADDING && x + needs - 16 > width - PADDING) [x, y] = [PADDING, y + 20];
    const svg = `<g transform="translate(${round(x)} ${round(y)})">${sign}${textAt(20, 0, text, 'tk-muted')}</g>`;
    x += needs;
    return svg;
  });
  return { svg: parts.join(''), bottom: y };
}

/** A note on one line if that is not longer than the picture, else a line for each of its parts. */
function linesOf(note: string, { left, width }: Layout): string[] {
  return widthOf(note) <= width - left - PADDING ? [note] : note.split(' · ');
}

function widthOf(text: string): number {
  return round(text.length * SMALL * LETTER);
}

function textAt(
  x: number,
  y: number,
  text: string,
  kind: string,
  anchor: 'start' | 'middle' | 'end' = 'start',
): string {
  const anchored = anchor === 'start' ? '' : ` text-anchor="${anchor}"`;
  return `<text class="${kind}" x="${round(x)}" y="${round(y)}"${anchored}>${escaped(text)}</text>`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function round(pixels: number): number {
  return Math.round(pixels * 10) / 10;
}

type Colour =
  | 'card'
  | 'border'
  | 'text'
  | 'muted'
  | 'line'
  | 'probe'
  | 'drop'
  | 'late'
  | 'survives'
  | 'path'
  | 'deadline';

const colours: Readonly<Record<'light' | 'dark', Readonly<Record<Colour, string>>>> = {
  light: {
    card: '#fff',
    border: '#d1d9e0',
    text: '#1f2328',
    muted: '#59636e',
    line: '#818b98',
    probe: '#0969da',
    drop: '#cf222e',
    late: '#bf8700',
    survives: '#2da44e',
    path: '#8250df',
    deadline: '#bc4c00',
  },
  dark: {
    card: '#0d1117',
    border: '#3d444d',
    text: '#f0f6fc',
    muted: '#9198a1',
    line: '#7d8590',
    probe: '#58a6ff',
    drop: '#ff7b72',
    late: '#bb8009',
    survives: '#3fb950',
    path: '#bc8cff',
    deadline: '#ffa657',
  },
};

const SHAPES =
  `.tk{max-width:100%;font:${SMALL}px ui-sans-serif,system-ui,-apple-system,"Segoe UI",Helvetica,Arial,sans-serif}` +
  `.tk-label{font-size:${FONT}px;font-weight:600}.tk-heading{font-size:14px;font-weight:600}` +
  '.tk-muted{paint-order:stroke;stroke-width:3px;stroke-linejoin:round}.tk path{fill:none;stroke-linecap:round}.tk-silence{stroke-width:2;stroke-dasharray:.1 6}.tk-probing{stroke-width:2}' +
  '.tk-trying,.tk-works{stroke-width:4}.tk-drop{stroke-width:2.5}.tk-late{fill-opacity:.35}.tk-survives{opacity:.22}.tk-post{stroke-width:2}' +
  '.tk-path,.tk-deadline{stroke-width:1.5;stroke-dasharray:5 4}';

function paintedIn(theme: 'light' | 'dark'): string {
  const { card, border, text, muted, line, probe, drop, late, survives, path, deadline } = colours[theme];
  return (
    `.tk-card{fill:${card};stroke:${border}}.tk-label,.tk-heading{fill:${text}}.tk-muted{fill:${muted};stroke:${card}}` +
    `.tk-ruler,.tk-silence,.tk-probing,.tk-trying{stroke:${line}}.tk .tk-beyond{fill:${line}}.tk-probe{fill:${probe}}.tk-drop{stroke:${drop}}` +
    `.tk-late{fill:${late};stroke:${late}}.tk-survives{fill:${survives}}.tk-post,.tk-works{stroke:${survives}}` +
    `.tk-path{stroke:${path}}.tk-path-text{fill:${path}}.tk-deadline{stroke:${deadline}}.tk-deadline-text{fill:${deadline}}`
  );
}

function styleOf(theme: Theme): string {
  if (theme !== 'auto') return SHAPES + paintedIn(theme);
  return `${SHAPES}${paintedIn('light')}@media(prefers-color-scheme:dark){${paintedIn('dark')}}`;
}

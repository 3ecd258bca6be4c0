import type { Io } from '../../command.ts';
import { paint } from '../../text.ts';
import { cutInMiddle, tableFor } from './columns.ts';
import { byOwner, type Look, linesOf, ratesText, summary } from './drawing.ts';
import { ordered, type Sort, sorts } from './order.ts';

/** The part of the connections that is on the screen. */
export interface View {
  readonly sort: Sort;
  /** How many lines are above the first that is seen. */
  readonly top: number;
}

/** The lines of a screen, and the view as it can be: not beyond the last line. */
interface Frame {
  readonly lines: readonly string[];
  readonly view: View;
  /** How many lines of the table are seen. */
  readonly page: number;
}

/**
 * The view after a key was pressed.
 *
 * @returns `undefined` if the key ends it
 */
export function pressed(view: View, key: string, page: number): View | undefined {
  const scrolled = (lines: number) => ({ ...view, top: Math.max(0, view.top + lines) });
  switch (key) {
    case 'q':
    case 'ctrl-c':
    case 'ctrl-d':
      return undefined;
    case 'down':
    case 'j':
      return scrolled(1);
    case 'up':
    case 'k':
      return scrolled(-1);
    case 'pagedown':
    case 'space':
      return scrolled(page);
    case 'pageup':
      return scrolled(-page);
    case 'home':
      return { ...view, top: 0 };
    case 'end':
      return { ...view, top: Infinity };
    case 'right':
    case '>':
      return resorted(view, 1);
    case 'left':
    case '<':
      return resorted(view, -1);
    default:
      return view;
  }
}

function resorted({ sort }: View, step: 1 | -1): View {
  const at = sorts.indexOf(sort) + step + sorts.length;
  return { sort: sorts[at % sorts.length] ?? sort, top: 0 };
}

/**
 * Draws a screen: the summary, the names of the columns, as many lines as fit, and the keys. Only the lines that are
 * seen are drawn.
 */
export function frameOf(io: Io, rows: number, { connections, rates }: Look, view: View): Frame {
  const { columns } = io;
  const table = tableFor(columns);
  const above = [...summary(connections, columns), ...ratesText(rates, columns), ''];
  const head = paint(io, 'bold', table.head(view.sort));
  const page = Math.max(1, rows - above.length - 2);
  const body = [...byOwner(ordered(connections, view.sort))].flatMap(([owner, own]) => [
    () => paint(io, 'cyan', cutInMiddle(owner, columns)),
    ...own.flatMap((each) => {
      const count = each.fate.lostIn === undefined ? 1 : 2;
      return Array.from({ length: count }, (_, i) => () => linesOf(io, table, each)[i] ?? '');
    }),
  ]);
  const top = Math.min(view.top, Math.max(0, body.length - page));
  const seen = body.slice(top, top + page).map((line) => line());
  const keys = `q quit  ↑↓ scroll  ←→ sort by ${view.sort}  ${body.length === 0 ? 0 : top + 1}-${top + seen.length} of ${body.length}`;
  const below = [...Array<string>(page - seen.length).fill(''), paint(io, 'dim', cutInMiddle(keys, columns))];
  return { lines: [...above, head, ...seen, ...below].slice(-rows), view: { ...view, top }, page };
}

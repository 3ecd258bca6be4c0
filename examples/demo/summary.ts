import { duration } from './duration.ts';
import type { DemoPool } from './pools.ts';
import type { Screen } from './screen.ts';
import type { Watch } from './watch.ts';

const NAME_WIDTH = 24;
const CELL_WIDTH = 18;

/** Shows, for each pool, how long it took to notice that its peer had vanished, or would have taken. */
export function showSummary(
  pools: readonly DemoPool[],
  acts: Readonly<Record<string, readonly Watch[]>>,
  screen: Screen,
): void {
  const line = (name: string, cells: readonly string[]) =>
    `  ${name.padEnd(NAME_WIDTH)}${cells.map((cell) => cell.padEnd(CELL_WIDTH)).join('')}`.trimEnd();
  screen.write(line('', Object.keys(acts)), 'quiet');
  for (const [i, { name }] of pools.entries()) {
    const watches = Object.values(acts).flatMap((act) => act[i] ?? []);
    const hasNoticed = watches.every((watch) => watch.noticed() !== undefined);
    screen.write(line(name, watches.map(result)), hasNoticed ? 'good' : 'plain');
  }
}

function result({ expected, noticed }: Watch): string {
  const notice = noticed();
  return notice === undefined ? duration(expected.nominal) : `${duration(notice.after)} (measured)`;
}

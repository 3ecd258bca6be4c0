import { duration } from './duration.ts';
import type { DemoPool } from './pools.ts';
import type { Screen } from './screen.ts';
import type { Watch } from './watch.ts';

/** Shows, for each pool, how long it took to notice that its peer had vanished, or would have taken. */
export function showSummary(
  pools: readonly DemoPool[],
  idle: readonly Watch[],
  inFlight: readonly Watch[],
  screen: Screen,
): void {
  const line = (...columns: string[]) => `  ${columns.map((column) => column.padEnd(26)).join('')}`.trimEnd();
  screen.write(line('', 'idle', 'with a query in flight'), 'quiet');
  for (const [i, { name }] of pools.entries()) {
    const watches = [idle[i], inFlight[i]].filter((watch) => watch !== undefined);
    const hasNoticed = watches.every((watch) => watch.noticed() !== undefined);
    screen.write(line(name, ...watches.map(result)), hasNoticed ? 'good' : 'plain');
  }
}

function result({ expected, noticed }: Watch): string {
  const notice = noticed();
  return notice === undefined ? duration(expected.nominal) : `${duration(notice.after)} (measured)`;
}

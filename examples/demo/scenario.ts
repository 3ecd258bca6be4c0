import { setInterval } from 'node:timers/promises';
import type { VanishingProxy } from 'tcp-keepalive/testing';
import { duration } from './duration.ts';
import type { DemoPool } from './pools.ts';
import type { Cell, Screen } from './screen.ts';
import { type Activity, PATIENCE, type Watch, watch } from './watch.ts';

const WORDS = {
  idle: { opening: 'the server vanishes', none: 'nothing sent', one: 'probe', many: 'probes' },
  'in flight': {
    opening: 'the server has vanished, and each pool sends a query',
    none: 'query sent',
    one: 'retry',
    many: 'retries',
  },
} as const;

/** The shortest time between two lines that stay, in milliseconds: the one that moves shows all. */
const LINE_EVERY = 1_500;

/** Makes the peer of the pools' connections vanish, and shows what each knows of it, and when. */
export async function vanish(
  activity: Activity,
  pools: readonly DemoPool[],
  proxy: VanishingProxy,
  screen: Screen,
  signal: AbortSignal,
): Promise<readonly Watch[]> {
  await proxy.restore();
  await Promise.all(pools.map(({ pool }) => pool.query('select 1')));
  await proxy.vanish();
  const watches = pools.map((pool) => watch(pool, activity));

  const names = pools.map(({ name }): Cell => ({ text: name, tone: 'strong' }));
  screen.row('', names);
  screen.row('predicted', watches.map(expectation));
  screen.row(duration(0), [{ text: WORDS[activity].opening }]);
  await follow(watches, activity, screen, signal);
  const last = Math.max(...watches.map((watch) => watch.noticed()?.after ?? 0));
  screen.row(duration(last || PATIENCE), watches.map(verdict));
  return watches;
}

/** Shows the kernel's counters, until every pool has noticed that can be waited for. */
async function follow(
  watches: readonly Watch[],
  activity: Activity,
  screen: Screen,
  signal: AbortSignal,
): Promise<void> {
  const awaited = watches.filter(({ expected }) => expected.latest < PATIENCE);
  const started = performance.now();
  let counts = watches.map(() => 0);
  let changed = 0;
  let shown = { counts, at: -LINE_EVERY };
  for await (const _ of setInterval(100, undefined, { signal })) {
    const elapsed = performance.now() - started;
    if (elapsed > PATIENCE || awaited.every((watch) => watch.noticed() !== undefined)) return;
    const latest = watches.map((watch) => watch.unanswered());
    if (latest.some((count, i) => count !== counts[i])) {
      // Not shown yet: the other connections' timers may be a moment behind.
      counts = latest;
      changed = elapsed;
    } else if (counts !== shown.counts && changed >= shown.at + LINE_EVERY) {
      const before = shown.counts;
      const cells = counts.map((count, i) => counter(count, activity, count === before[i]));
      screen.row(duration(changed), cells);
      shown = { counts, at: changed };
    }
    const cells = counts.map((count) => counter(count, activity, true));
    screen.live(duration(elapsed), cells);
  }
}

function expectation({ expected: { nominal } }: Watch): Cell {
  return { text: nominal === Infinity ? 'never notices' : `notices in ${duration(nominal)}` };
}

function counter(count: number, activity: Activity, isOld: boolean): Cell {
  const { none, one, many } = WORDS[activity];
  const text = count === 0 ? none : `${count} ${count === 1 ? one : many} unanswered`;
  return { text, tone: isOld ? 'quiet' : 'plain' };
}

function verdict({ noticed }: Watch): Cell {
  const notice = noticed();
  if (notice === undefined) return { text: 'has not noticed', tone: 'bad' };
  return { text: `noticed: ${notice.code}`, tone: 'good' };
}

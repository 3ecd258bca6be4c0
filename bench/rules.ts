import { postgres } from '../test/helpers/start-postgres.ts';
import { atMost, type Bench, microseconds, notMeasured, type Row, times } from './support/bench.ts';
import { inChild } from './support/child.ts';
import { median } from './support/interleave.ts';

/** The most that rules may cost a connection or a request, of all that these take. */
const LIMIT = 0.1;

/** What children/under-rules.ts sends: milliseconds a round or request, in pairs of neighbouring slices. */
export interface Slices {
  readonly without: readonly number[];
  readonly withRules: readonly number[];
}

/** What children/connection-cost.ts sends: microseconds of CPU a connection, in slices taken in turn. */
export interface ConnectionCosts extends Record<'without' | 'oneRule' | 'hundredRules', readonly number[]> {}

export const bench: Bench = {
  title: 'Under installKeepAlive',
  run: async () => [...(await oneConnection()), ...(await connecting()), ...(await requesting())],
};

async function oneConnection(): Promise<Row[]> {
  const { without, oneRule, hundredRules } = await inChild<ConnectionCosts>('connection-cost.ts');
  const ratio = (those: readonly number[], these: readonly number[]) =>
    median(those.map((cost, slice) => cost / (these[slice] ?? Number.NaN)));
  const show = (costs: readonly number[]) => microseconds(median(costs) * 1000);
  return [
    { what: 'CPU of a connection, both ends', measured: show(without) },
    { what: '  with one rule', measured: show(oneRule) },
    { what: '  with 100 rules by host', measured: show(hundredRules) },
    atMost('  one rule, by none', ratio(oneRule, without), 1.2, times),
    atMost('  100 rules, by one', ratio(hundredRules, oneRule), 1.05, times),
  ];
}

async function connecting(): Promise<Row[]> {
  const what = '1 000 x pg: connect, query, close';
  const missing = postgres.missing();
  if (missing !== undefined) return [notMeasured(what, missing)];
  const server = await postgres.start();
  try {
    const { host, port, user, password, database } = server;
    const account = JSON.stringify({ host, port, user, password, database });
    return compared(what, await inChild<Slices>('under-rules.ts', ['connect', account]));
  } finally {
    await server.stop();
  }
}

async function requesting(): Promise<Row[]> {
  return compared('20 000 x http request, keep-alive', await inChild<Slices>('under-rules.ts', ['request']));
}

function compared(what: string, { without, withRules }: Slices): Row[] {
  const costs = withRules.map((time, slice) => time / (without[slice] ?? Number.NaN) - 1);
  const [low, high] = bounds(costs);
  const show = (part: number) => `${(part * 100).toFixed(1)} %`;
  const cost = `  cost (${show(low)} to ${show(high)})`;
  return [
    { what, measured: `${microseconds(median(without) * 1e6)} each` },
    { what: '  with rules', measured: `${microseconds(median(withRules) * 1e6)} each` },
    // What is less certain than the limit is wide shows nothing, least of all that the limit is kept.
    high - low > LIMIT
      ? notMeasured(cost, 'the machine is too busy')
      : atMost(cost, Math.max(0, median(costs)), LIMIT, show),
  ];
}

/** Where the median lies with 95 % certainty, whatever the distribution: between two of the values. */
function bounds(values: readonly number[]): [low: number, high: number] {
  const sorted = [...values].sort((a, b) => a - b);
  const away = 0.98 * Math.sqrt(sorted.length);
  const at = (rank: number) => sorted[Math.round(rank)] ?? Number.NaN;
  return [at(sorted.length / 2 - away), at(sorted.length / 2 + away)];
}

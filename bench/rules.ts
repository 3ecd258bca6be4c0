import { postgres } from '../test/helpers/start-postgres.ts';
import { atMost, type Bench, microseconds, notMeasured, type Row } from './support/bench.ts';
import { inChild } from './support/child.ts';
import { median } from './support/interleave.ts';

/** What children/under-rules.ts sends: milliseconds a round or request, one for each slice of the run. */
export interface Slices {
  readonly without: readonly number[];
  readonly withRules: readonly number[];
}

export const bench: Bench = {
  title: 'Under installKeepAlive',
  run: async () => [...(await connecting()), ...(await requesting())],
};

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
  const ratios = withRules.map((time, slice) => time / (without[slice] ?? Number.NaN));
  const show = (part: number) => `${(part * 100).toFixed(1)} %`;
  return [
    { what, measured: `${microseconds(median(without) * 1e6)} each` },
    { what: '  with rules', measured: `${microseconds(median(withRules) * 1e6)} each` },
    // Rules can only cost something; a run in which they seem to save time is noise altogether.
    atMost('  cost, against the noise of the run', Math.max(0, median(ratios) - 1), noise(without), show),
  ];
}

/** By how much the slices without rules differ among themselves: the middle half of them. */
function noise(times: readonly number[]): number {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (part: number) => sorted[Math.floor(part * (sorted.length - 1))] ?? Number.NaN;
  return (at(0.75) - at(0.25)) / at(0.5);
}

/** What one contender took, and how the first compares with it. */
export interface Timing {
  readonly name: string;
  /** Median over the rounds, in nanoseconds a call. */
  readonly median: number;
  /** Median over the rounds of the first contender's time divided by this one's in the same round. */
  readonly ratio: number;
}

// Long enough for the clock, short enough that another process disturbs few of them.
const SLICE_NS = 1_000_000;
const WARM_UP_NS = 60_000_000;

/**
 * Times pieces of work in turn, a slice each per round: what disturbs the machine meets all of them,
 * and ratios taken within a round stay true when it does.
 */
export function interleave(works: ReadonlyMap<string, () => unknown>, rounds: number): Timing[] {
  const runs = [...works].map(([name, work]) => ({ name, work, calls: callsInSlice(work), times: [0] }));
  for (const run of runs) run.times.length = 0;
  for (let round = 0; round < rounds; round++) {
    for (const run of runs) run.times.push(timeOf(run.work, run.calls));
  }
  const first = runs[0]?.times ?? [];
  return runs.map(({ name, times }) => ({
    name,
    median: median(times),
    ratio: median(times.map((time, round) => (first[round] ?? Number.NaN) / time)),
  }));
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

function callsInSlice(work: () => unknown): number {
  const start = performance.now();
  let calls = 0;
  // Long enough for V8 to have compiled it.
  while ((performance.now() - start) * 1e6 < WARM_UP_NS) {
    for (let i = 0; i < 100; i++) work();
    calls += 100;
  }
  return Math.max(1, Math.round((calls * SLICE_NS) / WARM_UP_NS));
}

function timeOf(work: () => unknown, calls: number): number {
  const start = process.hrtime.bigint();
  for (let i = 0; i < calls; i++) work();
  return Number(process.hrtime.bigint() - start) / calls;
}

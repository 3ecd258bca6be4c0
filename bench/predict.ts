import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { buildSync } from 'esbuild';
import { atMost, type Bench, microseconds, milliseconds, type Row } from './support/bench.ts';
import { median } from './support/interleave.ts';

const PREDICT_LIMIT_NS = 20_000;
const PLAN_LIMIT_NS = 5_000_000;
const EXPLAIN_LIMIT_MS = 20;

/** How long predicting, planning and explaining take. */
export const bench: Bench = {
  title: 'Predicting, planning, explaining',
  async run() {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'tcp-keepalive-'));
    try {
      return [...(await pureFunctions(folder)), explaining(folder)];
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
};

async function pureFunctions(folder: string): Promise<Row[]> {
  const url = pathToFileURL(bundled('../src/predict/index.ts', folder)).href;
  const { predictDetection, planKeepAlive } = (await import(url)) as typeof import('../src/predict/index.ts');
  const most = { initialDelay: 1_000, interval: 1_000, count: 127, userTimeout: 2_147_483_647 };
  const predicting = (what: string, task: () => unknown) =>
    atMost(`predictDetection, ${what}`, nanoseconds(task, 1_000), PREDICT_LIMIT_NS, microseconds);
  const planning = (what: string, task: () => unknown) =>
    atMost(`planKeepAlive, ${what}`, nanoseconds(task, 20), PLAN_LIMIT_NS, microseconds);
  return [
    predicting('a preset', () => predictDetection('database')),
    predicting('a preset, hz: 250', () => predictDetection('database', { hz: 250 })),
    predicting('as much as it can be asked', () => predictDetection(most)),
    ...[4_600, 30_000, 600_000, 86_400_000].map((detectWithin) =>
      planning(`within ${detectWithin} ms`, () => planKeepAlive({ detectWithin })),
    ),
    planning('127 probes in a day', () => planKeepAlive({ detectWithin: 86_400_000, probes: 127 })),
  ];
}

function explaining(folder: string): Row {
  const cli = bundled('../src/cli/main.ts', folder);
  const [bare, explained] = alternately(
    () => execFileSync(process.execPath, ['-e', '0']),
    () => execFileSync(process.execPath, [cli, 'explain', 'database']),
  );
  return atMost("explain, more than Node's own start", explained - bare, EXPLAIN_LIMIT_MS, milliseconds);
}

/** What is shipped, a bundle, because a loader of TypeScript makes functions slower. */
function bundled(source: string, folder: string): string {
  const outfile = path.join(folder, `${path.basename(source, '.ts')}.mjs`);
  const entry = fileURLToPath(new URL(source, import.meta.url));
  buildSync({
    entryPoints: [entry],
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile,
    external: ['koffi'],
  });
  return outfile;
}

/** The median of 31 rounds, after one that warms up. */
function nanoseconds(task: () => unknown, repeats: number): number {
  const round = () => {
    const start = performance.now();
    for (let repeat = 0; repeat < repeats; repeat++) task();
    return ((performance.now() - start) * 1e6) / repeats;
  };
  round();
  return median(Array.from({ length: 31 }, round));
}

/** The medians of two tasks in ms, run in turn so that the machine's moods reach both. */
function alternately(one: () => unknown, other: () => unknown): [number, number] {
  const times: [number[], number[]] = [[], []];
  for (let round = 0; round < 11; round++) {
    for (const [index, task] of [one, other].entries()) {
      const start = performance.now();
      task();
      times[index]?.push(performance.now() - start);
    }
  }
  return [median(times[0]), median(times[1])];
}

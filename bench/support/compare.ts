import { atMost, microseconds, notMeasured, type Row, times } from './bench.ts';
import { inChild } from './child.ts';
import type { Job } from './contenders.ts';
import { buildFloor } from './floor.ts';
import type { Timing } from './interleave.ts';

/** Us, others and the floor, all in one process: what each takes, and what we take of it. */
export async function sideBySide(job: Job, others: Readonly<Record<string, string>>): Promise<Row[]> {
  const floor = buildFloor();
  const labels: typeof others = { ...others, ...('path' in floor && { [floor.path]: 'the floor' }) };
  const timings = await compare(job, 'tcp-keepalive', ...Object.keys(labels));
  return timings.map(({ name, median, ratio }) => ({
    what: labels[name] ?? name,
    measured: microseconds(median) + (name in labels ? `, ours ${times(ratio)}` : ''),
  }));
}

/** What we take of another's time, alone with it in one process, with the bound it has to keep. */
export async function aloneWith(job: Job, name: string, label: string, limit: number): Promise<Row> {
  const [ours, theirs] = await compare(job, 'tcp-keepalive', name);
  if (ours === undefined || theirs === undefined) throw new Error('a contender is missing');
  const medians = `(${microseconds(ours.median)} / ${microseconds(theirs.median)})`;
  return atMost(`alone with ${label} ${medians}`, theirs.ratio, limit, times);
}

/** The same with the purpose-built addon, where it can be built. */
export async function aloneWithFloor(job: Job, limit: number): Promise<Row> {
  const floor = buildFloor();
  if ('reason' in floor) return notMeasured('alone with the floor', floor.reason);
  return aloneWith(job, floor.path, 'the floor', limit);
}

/** The first is what the others are compared with. */
function compare(job: Job, ...names: string[]): Promise<Timing[]> {
  return inChild<Timing[]>('compare.ts', [job, ...names]);
}

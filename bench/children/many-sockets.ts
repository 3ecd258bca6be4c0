import type net from 'node:net';
import { type CostAt, counts } from '../growing.ts';
import { report } from '../support/child.ts';
import { connectMany, resetAll } from '../support/connect-many.ts';
import { contender, type Job, type Work } from '../support/contenders.ts';
import { interleave } from '../support/interleave.ts';

const ROUNDS = 100;
// The standard streams, the event loop's own, the channel to the bench.
const DESCRIPTORS_IN_USE = 100;

/** `many-sockets.ts <port> [floor]`: what a call costs when the next one is for another socket. */
const [port, floor] = process.argv.slice(2);
const peers = ['sockopt', 'net-keepalive'];
const runs = everyWork(['tcp-keepalive', ...peers, ...(floor === undefined ? [] : [floor])]);
const most = descriptorLimit() - DESCRIPTORS_IN_USE;
const sockets: net.Socket[] = [];
const costs: CostAt[] = [];
for (const count of counts) {
  if (count > most) break;
  sockets.push(...(await connectMany(Number(port), count - sockets.length)));
  costs.push(costNow());
}
await resetAll(sockets);
report(costs);

function costNow(): CostAt {
  const timings = interleave(new Map(runs.map(([name, work]) => [name, onEach(work)])), ROUNDS);
  return {
    sockets: sockets.length,
    costs: Object.fromEntries(timings.map(({ name, median }) => [name, median])),
  };
}

/** Every contender at every job that it can do, by the name of both. */
function everyWork(contenders: readonly string[]): [name: string, work: Work][] {
  const jobs: Job[] = ['set', 'read', 'info'];
  return jobs.flatMap((job) =>
    contenders
      .filter((name) => job !== 'info' || !peers.includes(name))
      .map((name): [string, Work] => [`${job} ${name}`, contender(job, name)]),
  );
}

/** The same work on one socket after another, round and round. */
function onEach(work: Work): () => void {
  let next = 0;
  return () => {
    work(sockets[next] as net.Socket);
    next = next + 1 === sockets.length ? 0 : next + 1;
  };
}

function descriptorLimit(): number {
  const report = process.report?.getReport() as
    | { userLimits?: Record<string, { soft: unknown }> }
    | undefined;
  const limit = Number(report?.userLimits?.open_files?.soft);
  return Number.isNaN(limit) ? Number.POSITIVE_INFINITY : limit;
}

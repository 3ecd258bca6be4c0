import type net from 'node:net';
import type { CostAt } from '../growing.ts';
import { report } from '../support/child.ts';
import { connectMany, resetAll } from '../support/connect-many.ts';
import { contender, type Work } from '../support/contenders.ts';
import { interleave } from '../support/interleave.ts';

const COUNTS = [1, 100, 1000, 10_000];
const ROUNDS = 100;
// The standard streams, the event loop's own, the channel to the bench.
const DESCRIPTORS_IN_USE = 100;

/** `many-sockets.ts <port> [floor]`: what a call costs when the next one is for another socket. */
const [port, floor] = process.argv.slice(2);
const most = descriptorLimit() - DESCRIPTORS_IN_USE;
const sockets: net.Socket[] = [];
const costs: CostAt[] = [];
for (const count of COUNTS) {
  if (count > most) break;
  sockets.push(...(await connectMany(Number(port), count - sockets.length)));
  costs.push(costNow());
}
await resetAll(sockets);
report(costs);

function costNow(): CostAt {
  const works = new Map([
    ['set', onEach(contender('set', 'tcp-keepalive'))],
    ['read', onEach(contender('read', 'tcp-keepalive'))],
    ['info', onEach(contender('info', 'tcp-keepalive'))],
  ]);
  if (floor !== undefined) works.set('floor', onEach(contender('set', floor)));
  const medians = interleave(works, ROUNDS).map(({ name, median }) => [name, median]);
  return { sockets: sockets.length, ...Object.fromEntries(medians) };
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

import { atMost, type Bench, microseconds, notMeasured, type Row, times } from './support/bench.ts';
import { inChild, startPeer } from './support/child.ts';
import type { Job } from './support/contenders.ts';
import { buildFloor } from './support/floor.ts';

/** How many sockets the calls go to in turn. */
export const counts: readonly number[] = [1, 100, 1_000, 10_000];

/** What children/many-sockets.ts sends, for one number of sockets. */
export interface CostAt {
  readonly sockets: number;
  /** Nanoseconds a call, by job and contender: `set tcp-keepalive`. */
  readonly costs: Readonly<Record<string, number>>;
}

const jobs: Readonly<Record<Job, { label: string; peers: readonly string[] }>> = {
  set: { label: 'setting', peers: ['sockopt', 'net-keepalive'] },
  read: { label: 'reading', peers: ['sockopt', 'net-keepalive'] },
  info: { label: 'TCP_INFO', peers: [] },
};

// The kernel's own structures of ten thousand sockets do not fit into a processor's caches, so that
// its calls become slower for everybody. Flat is what becomes slower by no more than the floor does.
const LIMIT = 1.1;

export const bench: Bench = {
  title: 'One socket or ten thousand in turn, each: set / read / TCP_INFO',
  async run() {
    const floor = buildFloor();
    const peer = await startPeer();
    const path = 'path' in floor ? [floor.path] : [];
    const measured = await inChild<CostAt[]>('many-sockets.ts', [String(peer.port), ...path]);
    peer.close();
    const growth = growthIn(measured);
    return [
      ...measured.map(row),
      ...(Object.keys(jobs) as Job[]).flatMap((job) =>
        growth === undefined
          ? [notMeasured(grows(job), 'too few descriptors are allowed')]
          : [...besidePeers(job, growth), flatness(job, growth)],
      ),
    ];
  },
};

/** By how much a contender's call becomes slower from the first number of sockets to the last. */
type Growth = (job: Job, contender: string) => number;

/** `undefined` where there was no room for that many sockets. */
function growthIn(measured: readonly CostAt[]): Growth | undefined {
  const [first] = measured;
  const last = measured.find(({ sockets }) => sockets === counts.at(-1));
  if (first === undefined || last === undefined) return undefined;
  return (job, contender) => {
    const name = `${job} ${contender}`;
    return (last.costs[name] ?? Number.NaN) / (first.costs[name] ?? Number.NaN);
  };
}

function grows(job: Job): string {
  return `${jobs[job].label}, the last by the first`;
}

function besidePeers(job: Job, growth: Growth): Row[] {
  const { peers } = jobs[job];
  const theirs = peers.map((peer) => `; ${peer} ${times(growth(job, peer))}`);
  return [{ what: grows(job), measured: times(growth(job, 'tcp-keepalive')) + theirs.join('') }];
}

function flatness(job: Job, growth: Growth): Row {
  const what = '  by what the floor grows';
  const floor = buildFloor();
  if ('reason' in floor) return notMeasured(what, floor.reason);
  return atMost(what, growth(job, 'tcp-keepalive') / growth(job, floor.path), LIMIT, times);
}

function row({ sockets, costs }: CostAt): Row {
  const what = sockets === 1 ? '1 socket' : `${sockets} sockets`;
  const ours = (Object.keys(jobs) as Job[]).map((job) =>
    microseconds(costs[`${job} tcp-keepalive`] ?? Number.NaN),
  );
  return { what, measured: ours.join(' / ') };
}

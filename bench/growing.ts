import { atMost, type Bench, microseconds, notMeasured, type Row, times } from './support/bench.ts';
import { inChild, startPeer } from './support/child.ts';
import { type BuiltFloor, buildFloor } from './support/floor.ts';

/** What children/many-sockets.ts sends, for one number of sockets: nanoseconds a call. */
export interface CostAt {
  readonly sockets: number;
  readonly set: number;
  readonly read: number;
  readonly info: number;
  /** Setting through the purpose-built addon, where it could be built. */
  readonly floor?: number;
}

// The kernel's own structures of ten thousand sockets do not fit into a processor's caches, so that
// its calls become slower for everybody. Flat is what becomes slower by no more than the floor does.
const LIMIT = 1.1;

export const bench: Bench = {
  title: 'One socket or ten thousand in turn, each: set / read / TCP_INFO',
  async run() {
    const floor = buildFloor();
    const peer = await startPeer();
    const path = 'path' in floor ? [floor.path] : [];
    const costs = await inChild<CostAt[]>('many-sockets.ts', [String(peer.port), ...path]);
    peer.close();
    const [one, most] = [costs[0], costs.at(-1)];
    if (one === undefined || most === undefined) throw new Error('nothing was measured');
    return [
      ...costs.map(row),
      { what: 'setting, the last by the first', measured: times(most.set / one.set) },
      flatness(one, most, floor),
    ];
  },
};

function flatness(one: CostAt, most: CostAt, floor: BuiltFloor): Row {
  const what = '  by what the floor grows';
  if ('reason' in floor) return notMeasured(what, floor.reason);
  const floorGrows = (most.floor ?? Number.NaN) / (one.floor ?? Number.NaN);
  return atMost(what, most.set / one.set / floorGrows, LIMIT, times);
}

function row({ sockets, set, read, info }: CostAt): Row {
  const what = sockets === 1 ? '1 socket' : `${sockets} sockets`;
  return { what, measured: [set, read, info].map(microseconds).join(' / ') };
}

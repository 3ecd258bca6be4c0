import { spawnSync } from 'node:child_process';
import { atMost, type Bench, milliseconds, notMeasured, times } from './support/bench.ts';
import { inChild, startPeer } from './support/child.ts';

const COUNT = 10_000;

/** What children/listing.ts sends: milliseconds for one list. */
export interface Listing {
  readonly ss: number;
  readonly ours: number;
  readonly owners: number;
  readonly options: number;
  readonly onePort: number;
  readonly longestBlock: number;
}

export const bench: Bench = {
  title: `Listing the connections of a machine, ${COUNT} of which one process has: listConnections()`,
  async run() {
    if (process.platform !== 'linux' || spawnSync('ss', ['--version']).error !== undefined) {
      return [notMeasured('listing', 'it needs Linux and ss (iproute2)')];
    }
    const peer = await startPeer();
    const { ss, ours, owners, options, onePort, longestBlock } = await inChild<Listing>('listing.ts', [
      String(peer.port),
      String(COUNT),
    ]);
    peer.close();
    return [
      { what: 'ss -tnoip', measured: milliseconds(ss) },
      { what: 'ours, without processes', measured: milliseconds(ours) },
      { what: 'ours, with processes', measured: milliseconds(owners) },
      { what: 'ours, with processes and options', measured: milliseconds(options) },
      { what: 'ours, of a port that none has', measured: milliseconds(onePort) },
      { what: 'the longest that other code waits, with both', measured: milliseconds(longestBlock) },
      atMost('without processes, by what ss takes', ours / ss, 1 / 5, times),
      atMost('with processes, by what ss takes', owners / ss, 1 / 3, times),
    ];
  },
};

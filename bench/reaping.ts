import { atMost, type Bench, milliseconds, notMeasured, type Row } from './support/bench.ts';
import { inChild, startPeer } from './support/child.ts';

const COUNT = 10_000;

interface Cost {
  /** The share of a core that its turns take. */
  readonly share: number;
  /** In milliseconds. */
  readonly longestTurn: number;
}

/** What children/reaping.ts sends. */
export interface Reaping {
  readonly idle: Cost;
  readonly writing: Cost;
}

export const bench: Bench = {
  title: `Looking for lost sockets among ${COUNT}, each once a second: reapLostSockets()`,
  async run() {
    if (process.platform !== 'linux') return [notMeasured('looking', 'it needs Linux')];
    const peer = await startPeer();
    const { idle, writing } = await inChild<Reaping>('reaping.ts', [String(peer.port), String(COUNT)]);
    peer.close();
    return [...rowsOf('all idle', idle), ...rowsOf('all have written, and none has read', writing)];
  },
};

function rowsOf(what: string, { share, longestTurn }: Cost): Row[] {
  return [
    atMost(`${what}: share of a core`, share, 0.01, percent),
    atMost('  the longest turn', longestTurn, 5, milliseconds),
  ];
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`;
}

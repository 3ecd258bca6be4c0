import { atMost, type Bench, bytes, megabytes } from './support/bench.ts';
import { inChild, startPeer } from './support/child.ts';

/** What children/held-memory.ts sends. */
export interface HeldMemory {
  readonly sockets: number;
  /** What a socket takes after the call more than before it, in bytes. */
  readonly perSocket: number;
  /** Records of holds that outlived their sockets. */
  readonly holdsLeft: number;
}

export const bench: Bench = {
  title: 'Memory',
  async run() {
    const ours = await inChild<number>('growth-by-calls.ts', ['tcp-keepalive', '1000000']);
    const theirs = await inChild<number>('growth-by-calls.ts', ['net-keepalive', '10000']);
    const peer = await startPeer();
    const heldBy = (contender: string) =>
      inChild<HeldMemory>('held-memory.ts', [String(peer.port), contender]);
    const held = await heldBy('tcp-keepalive');
    const nodes = await heldBy('node');
    peer.close();
    return [
      atMost('a million setKeepAlive calls', ours, 5e6, megabytes),
      { what: 'net-keepalive, 10 000 times its three', measured: megabytes(theirs) },
      atMost(`keepAlive(), each of ${held.sockets} sockets`, held.perSocket, 1000, bytes),
      { what: "Node's own setKeepAlive, the same", measured: bytes(nodes.perSocket) },
      atMost('holds left when the sockets are gone', held.holdsLeft, 0, String),
    ];
  },
};

import { atMost, type Bench, bytes, milliseconds, notMeasured, type Row } from './support/bench.ts';
import { inChild, startPeer } from './support/child.ts';
import { median } from './support/interleave.ts';
import { obstacleToStrace, systemCallsPerConnect } from './support/strace.ts';

/** What children/held-memory.ts sends. */
export interface HeldMemory {
  readonly sockets: number;
  /** What a socket takes after the call more than before it, in bytes. */
  readonly perSocket: number;
  /** Records of holds that outlived their sockets. */
  readonly holdsLeft: number;
}

/** What children/held-in-one-turn.ts sends. */
export interface HeldInOneTurn {
  readonly sockets: number;
  /** Milliseconds that holding all of them took, in each of several rounds. */
  readonly turns: readonly number[];
}

// The turn took 141 ms before.
const TURN = 141 / 2;

export const bench: Bench = {
  title: 'Holding: keepAlive(socket), installKeepAlive(rules)',
  run: async () => [...(await systemCalls()), ...(await memoryAndTime())],
};

async function systemCalls(): Promise<Row[]> {
  const what = 'system calls for five options';
  const obstacle = obstacleToStrace();
  if (obstacle !== undefined) return [notMeasured(what, obstacle)];
  const plain = await systemCallsPerConnect('none');
  const [hold, rule] = [await systemCallsPerConnect('hold'), await systemCallsPerConnect('rule')];
  const show = (calls: number) => calls.toFixed(2);
  return [atMost(`${what}, a hold`, hold - plain, 7, show), atMost(`${what}, a rule`, rule - plain, 7, show)];
}

async function memoryAndTime(): Promise<Row[]> {
  const peer = await startPeer();
  const heldBy = (contender: string) => inChild<HeldMemory>('held-memory.ts', [String(peer.port), contender]);
  const held = await heldBy('tcp-keepalive');
  const nodes = await heldBy('node');
  const { sockets, turns } = await inChild<HeldInOneTurn>('held-in-one-turn.ts', [String(peer.port)]);
  peer.close();
  return [
    atMost(`memory, each of ${held.sockets} sockets`, held.perSocket, 300, bytes),
    { what: "Node's own setKeepAlive, the same", measured: bytes(nodes.perSocket) },
    atMost('holds left when the sockets are gone', held.holdsLeft, 0, String),
    atMost(`${sockets} sockets, held in one turn`, median(turns), TURN, milliseconds),
  ];
}

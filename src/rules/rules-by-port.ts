import { type Peer, peerOf } from './peers.ts';
import { type CompiledRule, type Connection, isForPeer, speaksOf } from './rule.ts';

type Side = Connection['side'];

/** How many ports are remembered. A program that connects to any port at all begins anew then. */
const MOST = 1_000;

/** Rules, with those of each port at hand, so that a connection is compared with few of them. */
export class RulesByPort<T extends { readonly rule: CompiledRule }> {
  readonly all: readonly T[];
  readonly #bySide = { client: new Map<number, readonly T[]>(), server: new Map<number, readonly T[]>() };

  constructor(all: readonly T[]) {
    this.all = all;
  }

  /** The rules that may be for a connection with a port, in their order. */
  of(side: Side, port: number): readonly T[] {
    const byPort = this.#bySide[side];
    let found = byPort.get(port);
    if (found === undefined) {
      found = this.all.filter(({ rule }) => speaksOf(rule, side, port));
      if (byPort.size >= MOST) byPort.clear();
      byPort.set(port, found);
    }
    return found;
  }
}

/** The first of several sets' rules that is for a connection. */
export function firstFor<T extends { readonly rule: CompiledRule }>(
  sets: readonly { readonly rules: RulesByPort<T> }[],
  { side, host, address, port }: Connection,
): T | undefined {
  // It is made once, and only if a rule looks at it.
  let peer: Peer | undefined;
  for (const { rules } of sets) {
    for (const each of rules.of(side, port)) {
      if (each.rule.hosts === undefined) return each;
      peer ??= peerOf(host, address);
      if (isForPeer(each.rule, peer)) return each;
    }
  }
  return undefined;
}

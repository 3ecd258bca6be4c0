import { HostIndex, type Peer, peerOf } from './peers.ts';
import { type CompiledRule, type Connection, speaksOf } from './rule.ts';

type Side = Connection['side'];

/** How many ports are remembered. A program that connects to any port at all begins anew then. */
const MOST = 1_000;

/** The rules that may be for a connection with a port, in their order, and an index of their hosts. */
interface RulesOfPort<T> {
  readonly rules: readonly T[];
  readonly hosts: HostIndex;
}

/** Rules, with those of each port at hand, so that a connection is compared with few of them. */
export class RulesByPort<T extends { readonly rule: CompiledRule }> {
  readonly all: readonly T[];
  readonly #bySide = {
    client: new Map<number, RulesOfPort<T>>(),
    server: new Map<number, RulesOfPort<T>>(),
  };

  constructor(all: readonly T[]) {
    this.all = all;
  }

  of(side: Side, port: number): RulesOfPort<T> {
    const byPort = this.#bySide[side];
    let found = byPort.get(port);
    if (found === undefined) {
      const rules = this.all.filter(({ rule }) => speaksOf(rule, side, port));
      found = { rules, hosts: new HostIndex(rules.map(({ rule }) => rule.hosts)) };
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
  for (const set of sets) {
    const { rules, hosts } = set.rules.of(side, port);
    if (hosts.asksForPeer) peer ??= peerOf(host, address);
    const found = rules[peer === undefined ? 0 : hosts.firstFor(peer)];
    if (found !== undefined) return found;
  }
  return undefined;
}

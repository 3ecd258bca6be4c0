import type { Bench } from './support/bench.ts';
import { aloneWith, aloneWithFloor, sideBySide } from './support/compare.ts';

export const bench: Bench = {
  title: 'Setting five options: those of the preset database',
  async run() {
    return [
      ...(await sideBySide('set', {
        sockopt: 'sockopt, five calls',
        'net-keepalive': 'net-keepalive, three, and Node',
        node: 'Node alone',
      })),
      await aloneWith('set', 'sockopt', 'sockopt', 0.75),
      await aloneWith('set', 'net-keepalive', 'net-keepalive', 1 / 15),
      await aloneWithFloor('set', 1.6),
    ];
  },
};

import type { Bench } from './support/bench.ts';
import { aloneWithFloor, sideBySide } from './support/compare.ts';

export const bench: Bench = {
  title: 'Reading five options back: getKeepAlive(socket)',
  async run() {
    return [
      ...(await sideBySide('read', {
        sockopt: 'sockopt, five calls',
        'net-keepalive': 'net-keepalive, the three it has',
      })),
      await aloneWithFloor('read', 2),
    ];
  },
};

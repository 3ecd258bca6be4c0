import type { Bench } from './support/bench.ts';
import { aloneWithFloor, sideBySide } from './support/compare.ts';

export const bench: Bench = {
  title: 'TCP_INFO, decoded: getTcpInfo(socket)',
  run: async () => [...(await sideBySide('info', {})), await aloneWithFloor('info', 2.5)],
};

import { atMost, type Bench, megabytes } from './support/bench.ts';
import { inChild } from './support/child.ts';

export const bench: Bench = {
  title: 'Memory',
  async run() {
    const ours = await inChild<number>('growth-by-calls.ts', ['tcp-keepalive', '1000000']);
    const theirs = await inChild<number>('growth-by-calls.ts', ['net-keepalive', '10000']);
    return [
      atMost('a million setKeepAlive calls', ours, 5e6, megabytes),
      { what: 'net-keepalive, 10 000 times its three', measured: megabytes(theirs) },
    ];
  },
};

import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';

/** Counters of this network namespace for peers which do not answer, with their names in the kernel. */
const names = {
  probes: 'TCPKeepAlive',
  timeouts: 'TCPTimeouts',
  aborts: 'TCPAbortOnTimeout',
} as const;

/** Counts, or counts a second. */
export type Counters = Readonly<Record<keyof typeof names, number>>;

/** Reads the counters, and when. */
export function readCounters(): Counters & { readonly at: number } {
  const lines = readFileSync('/proc/net/netstat', 'utf8').split('\n');
  const [labels = [], values = []] = lines
    .filter((line) => line.startsWith('TcpExt:'))
    .map((line) => line.split(' '));
  const read = (name: string) => Number(values[labels.indexOf(name)] ?? 0);
  return {
    probes: read(names.probes),
    timeouts: read(names.timeouts),
    aborts: read(names.aborts),
    at: performance.now(),
  };
}

/** Over which time at least the counters are compared, in milliseconds. */
const WHILE = 500;

/** Waits until the counters have had the time to grow. */
export async function comparable(before: { readonly at: number }): Promise<void> {
  await setTimeout(WHILE - (performance.now() - before.at));
}

/** How much the counters grow a second, since they were read before. */
export function ratesSince(before: ReturnType<typeof readCounters>): Counters {
  const now = readCounters();
  const seconds = (now.at - before.at) / 1_000;
  const rate = (name: keyof Counters) => (now[name] - before[name]) / seconds;
  return { probes: rate('probes'), timeouts: rate('timeouts'), aborts: rate('aborts') };
}

import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Reaping } from '../reaping.ts';
import { report } from '../support/child.ts';
import { connectMany, resetAll } from '../support/connect-many.ts';

// The library takes its timers when it is loaded, and then has these, which time what they call.
const own = globalThis.setTimeout;
let turns: number[] = [];
const timed = (work: () => void, delay?: number) =>
  own(() => {
    const waited = waitedForProcessor();
    const begin = performance.now();
    work();
    const took = performance.now() - begin;
    turns.push(Math.max(0, took - (waitedForProcessor() - waited)));
  }, delay);
globalThis.setTimeout = timed as typeof setTimeout;
const { library } = await import('../support/library.ts');
globalThis.setTimeout = own;

/** How long this thread was ready and had no processor, in milliseconds. A turn of 211 ms on a busy machine was that. */
function waitedForProcessor(): number {
  return Number(readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ')[1]) / 1e6;
}

/** Longer than a limit of `database`, after which a socket that keeps writing is read. */
const MEASURED = 30_000;
const SECOND = 1_000;

/** `reaping.ts <port> <count>`: what it costs to look at this process's held connections once a second. */
const [port, count] = process.argv.slice(2).map(Number) as [number, number];
const sockets = await connectMany(port, count);
// Nobody is idle for so long here. The probes of connections that were opened together are sent together, and Linux drops
// those beyond `net.core.netdev_max_backlog`, 1 000, on their way through loopback.
const options = { ...library.presets.database, initialDelay: 120_000 };
for (const socket of sockets) library.keepAlive(socket, options);
const stop = library.reapLostSockets();
const idle = await costOf(() => {});
const writing = await costOf(() => {
  for (const socket of sockets) socket.write('.');
});
stop();
await resetAll(sockets);
report({ idle, writing } satisfies Reaping);

async function costOf(eachSecond: () => void): Promise<Reaping['idle']> {
  const working = setInterval(eachSecond, SECOND);
  await sleep(3 * SECOND);
  turns = [];
  const begin = performance.now();
  await sleep(MEASURED);
  clearInterval(working);
  const share = turns.reduce((sum, turn) => sum + turn, 0) / (performance.now() - begin);
  return { share, longestTurn: Math.max(...turns) };
}

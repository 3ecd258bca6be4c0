import { spawnSync } from 'node:child_process';
import type { Listing } from '../listing.ts';
import { report } from '../support/child.ts';
import { connectMany, resetAll } from '../support/connect-many.ts';
import { median } from '../support/interleave.ts';

const { listConnections }: typeof import('../../src/machine/index.ts') = await import(
  new URL('../../dist/machine.js', import.meta.url).href
);

const ROUNDS = 7;

/** `listing.ts <port> <count>`: how long it takes to list this process's connections among all, in turn with ss. */
const [port, count] = process.argv.slice(2).map(Number) as [number, number];
const sockets = await connectMany(port, count);
const works: Readonly<Record<keyof Listing, () => unknown>> = {
  ss: () => spawnSync('ss', ['-tnoipH'], { stdio: 'ignore' }),
  ours: () => listConnections(),
  owners: () => listConnections({ owners: true }),
  options: () => listConnections({ options: true }),
  onePort: () => listConnections({ remote: ':1' }),
  longestBlock: longestBlock,
};
const times = Object.fromEntries(Object.keys(works).map((name) => [name, [] as number[]]));
for (let round = 0; round < ROUNDS; round++) {
  for (const [name, work] of Object.entries(works)) {
    const begin = performance.now();
    const measured = await work();
    times[name]?.push(typeof measured === 'number' ? measured : performance.now() - begin);
  }
}
await resetAll(sockets);
report(Object.fromEntries(Object.entries(times).map(([name, each]) => [name, median(each)])));

/** The longest time for which other code has to wait meanwhile. */
async function longestBlock(): Promise<number> {
  let [last, longest, isListing] = [performance.now(), 0, true];
  const look = () => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    if (isListing) setImmediate(look);
  };
  look();
  await listConnections({ options: true });
  isListing = false;
  return longest;
}

import { setTimeout as wait } from 'node:timers/promises';
import { connectedPair } from '../../test/helpers/connected-pair.ts';
import { report } from '../support/child.ts';
import { contender } from '../support/contenders.ts';

/** `growth-by-calls.ts <contender> <calls>`: how much the process grows, in bytes of real memory. */
const [name = '', calls = '0'] = process.argv.slice(2);
const { client } = await connectedPair();
const set = contender('set', name);

// By then koffi is loaded, the code compiled, and every page of V8's young generation in use.
for (let i = 0; i < 4; i++) {
  repeat(Number(calls) / 10);
  await settledMemory();
}
const before = await settledMemory();
repeat(Number(calls));
report((await settledMemory()) - before);

function repeat(times: number): void {
  for (let i = 0; i < times; i++) set(client);
}

/** The garbage collector gives memory back in its own time, on threads of its own. */
async function settledMemory(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.();
    await wait(50);
  }
  return process.memoryUsage.rss();
}

import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

/** The heap's size in bytes once what nobody holds is gone. */
export async function heapInUse(): Promise<number> {
  // What is destroyed in one turn of the event loop may be let go in another.
  for (let round = 0; round < 3; round++) {
    await setImmediate();
    gc();
  }
  return process.memoryUsage().heapUsed;
}

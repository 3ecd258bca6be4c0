import { setTimeout as wait } from 'node:timers/promises';
import type { HeldMemory } from '../memory.ts';
import { report } from '../support/child.ts';
import { connectMany, resetAll } from '../support/connect-many.ts';
import { library } from '../support/library.ts';

const SOCKETS = 4000;
const HOLD = Symbol.for('tcp-keepalive.hold');

/** `held-memory.ts <port>`: what `keepAlive()` keeps for a socket, and when it is gone. */
const port = Number(process.argv[2]);
let sockets = await connectMany(port, SOCKETS);
const before = await settledHeap();
sockets.forEach((socket) => void library.keepAlive(socket, 'database'));
const perSocket = ((await settledHeap()) - before) / SOCKETS;

const holds = sockets.map((socket) => new WeakRef((socket as unknown as { [HOLD]: object })[HOLD]));
await resetAll(sockets);
sockets = [];
await settledHeap();
const holdsLeft = holds.filter((hold) => hold.deref() !== undefined).length;
report({ sockets: SOCKETS, perSocket, holdsLeft } satisfies HeldMemory);

/** A turn or two of the event loop lets go of what finished connecting or closing. */
async function settledHeap(): Promise<number> {
  for (let i = 0; i < 4; i++) {
    await wait(20);
    globalThis.gc?.();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

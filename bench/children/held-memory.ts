import type net from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import type { HeldMemory } from '../holding.ts';
import { report } from '../support/child.ts';
import { connectMany, resetAll } from '../support/connect-many.ts';
import { library } from '../support/library.ts';

const SOCKETS = 4000;
const HOLD = Symbol.for('tcp-keepalive.hold');

const calls: Record<string, (socket: net.Socket) => unknown> = {
  'tcp-keepalive': (socket) => library.keepAlive(socket, 'database'),
  node: (socket) => socket.setKeepAlive(true, 10_000),
};

/** `held-memory.ts <port> <contender>`: what its call keeps for a socket, and whether a hold outlives it. */
const port = Number(process.argv[2]);
const call = calls[process.argv[3] ?? ''] ?? (() => {});
let sockets = await connectMany(port, SOCKETS);
const before = await settledHeap();
sockets.forEach((socket) => void call(socket));
const perSocket = ((await settledHeap()) - before) / SOCKETS;

const holds = sockets
  .map((socket) => (socket as { [HOLD]?: object })[HOLD])
  .flatMap((hold) => (hold === undefined ? [] : [new WeakRef(hold)]));
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

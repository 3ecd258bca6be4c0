import { setTimeout as wait } from 'node:timers/promises';
import type { HeldInOneTurn } from '../holding.ts';
import { report } from '../support/child.ts';
import { connectMany, resetAll } from '../support/connect-many.ts';
import { library } from '../support/library.ts';

const SOCKETS = 10_000;
const ROUNDS = 7;

/** `held-in-one-turn.ts <port>`: how long the loop stands still while all sockets of a process are held. */
const port = Number(process.argv[2]);
const turns: number[] = [];
for (let round = 0; round < ROUNDS; round++) {
  const sockets = await connectMany(port, SOCKETS);
  await wait(20);
  globalThis.gc?.();
  const start = performance.now();
  for (const socket of sockets) library.keepAlive(socket, 'database');
  turns.push(performance.now() - start);
  await resetAll(sockets);
}
report({ sockets: SOCKETS, turns } satisfies HeldInOneTurn);

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import * as index from 'tcp-keepalive';
import * as heartbeat from 'tcp-keepalive/heartbeat';
import * as machine from 'tcp-keepalive/machine';
import * as pure from 'tcp-keepalive/predict';
import { whenAlone } from './alone.ts';
import { type Thing, thingRecipes } from './hostile-things.ts';
import { openPool, type Pool } from './socket-pool.ts';
import { watchSystemCalls } from './watched-calls.ts';

// Random inputs through every public function: each call succeeds, or throws an error with a code of
// ours or of the kernel, and nothing outside the kernel's ranges reaches a system call. An object that
// throws when it is looked at ends in such an error too, or is not touched at all.
//
//     npx tsx test/stress/random-input.ts [--full]

type Callable = (...args: never[]) => unknown;

const drivers = await Promise.all(
  readdirSync(new URL('../../src/drivers', import.meta.url))
    .filter((file) => file !== 'kit.ts')
    .map((file) => {
      const entry = `tcp-keepalive/${file.replace('.ts', '')}`;
      return import(entry) as Promise<Record<string, unknown>>;
    }),
);

/** What all entries of the package export. */
const exported: Record<string, unknown> = Object.assign(
  { ...pure, ...heartbeat, ...machine, ...index },
  ...drivers,
);

const {
  anything,
  behaviours,
  drills,
  drivers: driverObjects,
  filters,
  goals,
  heartbeats,
  callbacks,
  holds,
  options,
  pids,
  rules,
  servers,
  sockets,
  surroundings,
  systems,
} = thingRecipes;

/** What each function is called with. One that is exported and is not here fails the run. */
const inputs: Record<string, readonly fc.Arbitrary<Thing>[]> = {
  ...Object.fromEntries(
    drivers
      .flatMap((driver) => Object.keys(driver))
      .map((name) => [name, [driverObjects, options, callbacks]]),
  ),
  ...Object.fromEntries(Object.keys(heartbeat).map((name) => [name, [driverObjects, heartbeats]])),
  heartbeat: [heartbeats],
  setKeepAlive: [sockets, options, behaviours],
  getKeepAlive: [sockets],
  keepAlive: [sockets, holds, behaviours],
  keepAliveServer: [servers, options, behaviours],
  keepAliveFor: [anything, sockets, options, behaviours],
  keepAliveStream: [options, behaviours],
  optionsFromLibpq: [anything],
  getTcpInfo: [sockets],
  inspectKeepAlive: [fc.oneof(sockets, servers, driverObjects, anything)],
  keepAliveStats: [],
  capabilities: [anything],
  isKeepAliveError: [anything],
  installKeepAlive: [rules],
  reapLostSockets: [anything],
  predictDetection: [options, systems],
  planKeepAlive: [goals],
  reviewKeepAlive: [options, surroundings],
  parseKeepAliveOptions: [options],
  listConnections: [filters],
  applyToProcess: [pids, filters, options],
  drillProcess: [pids, filters, drills],
};

/** These promise never to throw for a socket: only for options. */
const neverThrowsForSockets = ['keepAlive', 'keepAliveFor', 'keepAliveServer', 'installKeepAlive'];

/** A new set of sockets comes after so many calls, so that what hostile ones leave does not pile up. */
const CALLS_PER_POOL = 5_000;

const INVALID = 'ERR_KEEPALIVE_INVALID_OPTION';

/** Made by the kernel, or by this library; or by a socket that pretends it is one of these. */
const CODE = /^(ERR_KEEPALIVE_[A-Z_]+|E[A-Z0-9]+)$/;

export async function randomInput(
  calls: number,
  seed: number = Date.now(),
): Promise<{ calls: number; succeeded: number; refused: Record<string, number>; systemCalls: number }> {
  const functions = publicFunctions();
  const totals = { calls, succeeded: 0, refused: {} as Record<string, number>, systemCalls: 0 };
  for (let done = 0; done < calls; done += CALLS_PER_POOL) {
    await withPool(async (pool) => {
      const call = fc.oneof(...functions.map((name) => fc.tuple(fc.constant(name), argumentsFor(name))));
      const property = fc.property(call, ([name, things]) => {
        const code = codeOfCall(name, things, pool, { reported, promised });
        if (code === undefined) totals.succeeded += 1;
        else totals.refused[code] = (totals.refused[code] ?? 0) + 1;
      });
      const reported: unknown[] = [];
      const promised: Promise<void>[] = [];
      const watch = watchSystemCalls();
      const quiet = recordWarnings(reported);
      try {
        fc.assert(property, { numRuns: Math.min(CALLS_PER_POOL, calls - done), seed: seed + done });
        // What was put off runs while the watch is on.
        await Promise.all(promised.splice(0));
        await setImmediate();
        await setImmediate();
        for (const error of reported.splice(0)) codeOf(error);
      } finally {
        quiet();
        totals.systemCalls += watch.end();
      }
      pool.expectUnharmed();
    });
  }
  const { succeeded, refused, systemCalls } = totals;
  // With few of either, the run would prove little.
  for (const [what, count] of Object.entries({
    succeeded,
    systemCalls,
    refused: refused[INVALID] ?? 0,
  })) {
    assert.ok(count > calls / 20, `only ${count} of ${calls}: ${what}`);
  }
  return totals;
}

function publicFunctions(): string[] {
  const names = Object.keys(exported).filter((name) => typeof exported[name] === 'function');
  const unknown = names.filter((name) => inputs[name] === undefined);
  assert.deepEqual(unknown, [], 'random-input.ts has no inputs for these exports');
  return names;
}

/** A call has all its arguments, or the last ones are left out. */
function argumentsFor(name: string): fc.Arbitrary<Thing[]> {
  const things = inputs[name] ?? [];
  return fc
    .tuple(fc.tuple(...things), fc.constantFrom(0, 0, 0, 0, 1, 2))
    .map(([all, left]) => all.slice(0, Math.max(0, all.length - left)));
}

async function withPool(use: (pool: Pool) => Promise<void>): Promise<void> {
  const pool = await openPool();
  try {
    await use(pool);
  } finally {
    await pool.close();
  }
}

/** What a call told otherwise than by throwing. */
interface Aside {
  readonly reported: unknown[];
  readonly promised: Promise<void>[];
}

/** Makes one call: the code of what it threw, or `undefined`. Whatever was only reported has a code too. */
function codeOfCall(
  name: string,
  things: readonly Thing[],
  pool: Pool,
  { reported, promised }: Aside,
): string | undefined {
  const args = things.map((thing) => thing.make(pool, reported));
  try {
    const result = Reflect.apply(exported[name] as Callable, undefined, args);
    end(name, result);
    if (name in machine) promised.push(ended(result as Promise<unknown>, reported));
    return undefined;
  } catch (error) {
    const code = codeOf(error);
    if (neverThrowsForSockets.includes(name)) assert.equal(code, INVALID, error as Error);
    return code;
  } finally {
    for (const error of reported.splice(0)) codeOf(error);
  }
}

/** Waits for a call of another process's connections, whose error has a code too. */
async function ended(result: Promise<unknown>, reported: unknown[]): Promise<void> {
  await result.catch((error: unknown) => reported.push(error));
}

/** Ends what would go on: rules, by the function that was returned, and a heartbeat. */
function end(name: string, result: unknown): void {
  if (name === 'installKeepAlive' || name === 'reapLostSockets') (result as () => void)();
  if (name in heartbeat) (result as heartbeat.Heartbeat).stop();
}

function codeOf(error: unknown): string {
  assert.ok(error instanceof Error, `not an error: ${typeof error}`);
  const { code } = error as { code?: unknown };
  assert.ok(typeof code === 'string' && CODE.test(code), error);
  return code;
}

function recordWarnings(reported: unknown[]): () => void {
  const { emitWarning } = process;
  process.emitWarning = (warning: string | Error, options?: unknown) => {
    // Node's own, since a module adds its listeners again each time that it gets the same object.
    if (warning instanceof Error && warning.name === 'MaxListenersExceededWarning') return;
    reported.push(Object.assign(new Error(String(warning)), options));
  };
  return () => {
    process.emitWarning = emitWarning;
  };
}

await whenAlone(import.meta.url, (full) => randomInput(full ? 1_000_000 : 20_000));

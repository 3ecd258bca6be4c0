import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { fileURLToPath } from 'node:url';
import { getKeepAlive, type KeepAliveOptions, keepAlive, predictDetection } from 'tcp-keepalive';
import { parseKeepAliveOptions } from '../../src/options/parse.ts';
import { expectWithin, lastHeard } from '../helpers/detection.ts';
import { whenAlone } from './alone.ts';
import { heapInUse } from './collect.ts';

// Thousands of held connections in one process: all are set and read back, then their peers go dark,
// and each must be noticed within the time that was predicted for it. The peers are in a process of
// their own, so that what is measured is the cost of these ends alone.
//
//     npx tsx test/stress/many-sockets.ts [--full]

/**
 * Sockets get these in turn, so that the windows differ.
 *
 * The first probe is put off until all peers have gone. Thousands of timers that were set at once
 * send their probes at once, and what overflows the kernel's queue (`net.core.netdev_max_backlog`) is
 * lost, also on loopback: living peers would be given up.
 */
function optionsFor(count: number): (at: number) => KeepAliveOptions {
  const initialDelay = count > 1_000 ? 15_000 : 3_000;
  const kinds: readonly KeepAliveOptions[] = [
    { initialDelay, interval: 1_000, count: 1 },
    // Passed at the first tick that may drop, also where keepalive was turned on long after the last that
    // was heard: the user timeout counts from the one, the ticks from the other.
    { initialDelay, interval: 1_000, count: 2, userTimeout: initialDelay + 500 },
    { initialDelay: initialDelay + 1_000, interval: 1_000, count: 2 },
  ];
  return (at) => kinds[at % kinds.length] ?? {};
}

/** What may be left of each socket, in bytes: less than one takes, and a hold is counted by itself. */
const LEFT = 1_500;

/** So many sockets Node may keep until the next ones come. */
const LAST = 2;

interface Measured {
  sockets: number;
  noticed: number;
  earliest: string;
  latest: string;
  bytesPerSocket: number;
  megabytes: { before: number; held: number; after: number };
  bytesLeftPerSocket: number;
}

export async function manySockets(count: number): Promise<Measured> {
  checkDescriptors(count);
  const peers = await startPeers();
  try {
    return await measure(count, peers);
  } finally {
    peers.process.kill();
  }
}

async function measure(count: number, peers: Peers): Promise<Measured> {
  const optionsOf = optionsFor(count);
  await warmUp(count, peers, optionsOf);
  const before = await heapInUse();
  const sockets = await connectMany(count, peers, optionsOf);
  const held = await heapInUse();
  for (const [at, socket] of sockets.entries()) {
    const { maxRetransmitInterval: _system, failOnUnreachable: _off, ...read } = getKeepAlive(socket);
    assert.deepEqual({ userTimeout: 0, ...parseKeepAliveOptions(optionsOf(at)) }, read);
  }

  const holds = sockets.map(holdOf);
  const ended = sockets.map(ends);
  await peers.tell('vanish');
  const noticed = await detections(sockets, ended, optionsOf);
  sockets.length = 0;
  ended.length = 0;
  const after = await heapInUse();
  const left = (after - before) / count;
  const holdsLeft = holds.filter((hold) => hold.deref() !== undefined).length;
  assert.ok(holdsLeft <= LAST, `${holdsLeft} holds outlive their sockets`);
  assert.ok(left < LEFT, `${Math.round(left)} bytes are left of each socket`);
  return {
    sockets: count,
    ...noticed,
    megabytes: { before: inMegabytes(before), held: inMegabytes(held), after: inMegabytes(after) },
    bytesPerSocket: Math.round((held - before) / count),
    bytesLeftPerSocket: Math.round(left),
  };
}

/** The record of a hold, which has to go with its socket. */
function holdOf(socket: net.Socket): WeakRef<object> {
  const hold: unknown = Reflect.get(socket, Symbol.for('tcp-keepalive.hold'));
  assert.ok(typeof hold === 'object' && hold !== null, 'the socket is held');
  return new WeakRef(hold);
}

/** Compiles and loads what the first sockets of a process leave behind for good. */
async function warmUp(
  count: number,
  peers: Peers,
  optionsOf: (at: number) => KeepAliveOptions,
): Promise<void> {
  const sockets = await connectMany(Math.min(count, 1_000), peers, optionsOf);
  for (const socket of sockets) socket.resetAndDestroy();
  while ((await peers.tell('count')) > 0);
}

function inMegabytes(bytes: number): number {
  return Number((bytes / 1e6).toFixed(1));
}

/** Waits until every socket has failed, and compares when with what was predicted for it. */
async function detections(
  sockets: readonly net.Socket[],
  ended: readonly Promise<Ended>[],
  optionsOf: (at: number) => KeepAliveOptions,
): Promise<Pick<Measured, 'noticed' | 'earliest' | 'latest'>> {
  const heard = sockets.map(lastHeard);
  const times = await Promise.all(
    ended.map(async (end, at) => {
      const { code, time } = await end;
      const elapsed = time - (heard[at] ?? 0);
      assert.equal(code, 'ETIMEDOUT');
      const { idle } = predictDetection(optionsOf(at));
      expectWithin(idle, heard[at] ?? 0, time);
      return { afterEarliest: elapsed - idle.earliest, afterLatest: elapsed - idle.latest };
    }),
  );
  const earliest = Math.min(...times.map(({ afterEarliest }) => afterEarliest));
  const latest = Math.max(...times.map(({ afterLatest }) => afterLatest));
  return {
    noticed: times.length,
    earliest: `${earliest.toFixed(0)} ms after its window begins`,
    latest: `${(-latest).toFixed(0)} ms before its window ends`,
  };
}

interface Ended {
  readonly code: string | undefined;
  readonly time: number;
}

function ends(socket: net.Socket): Promise<Ended> {
  return new Promise((resolve) => {
    socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve({ code, time: performance.now() }));
  });
}

interface Peers {
  readonly process: ChildProcess;
  readonly port: number;
  /** Gives how many sockets the peers have. */
  tell(what: 'count' | 'vanish'): Promise<number>;
}

async function startPeers(): Promise<Peers> {
  const script = fileURLToPath(new URL('peers.ts', import.meta.url));
  const peers = fork(script, { execArgv: ['--import', 'tsx'], serialization: 'advanced' });
  const answer = async () => ((await once(peers, 'message')) as [number])[0];
  const port = await answer();
  return {
    process: peers,
    port,
    tell(what) {
      peers.send(what);
      return answer();
    },
  };
}

async function connectMany(
  count: number,
  peers: Peers,
  optionsOf: (at: number) => KeepAliveOptions,
): Promise<net.Socket[]> {
  const sockets: net.Socket[] = [];
  while (sockets.length < count) {
    const some = Array.from({ length: Math.min(250, count - sockets.length) }, (_, at) =>
      keepAlive(net.connect(peers.port, '127.0.0.1'), optionsOf(sockets.length + at)),
    );
    await Promise.all(some.map((socket) => once(socket, 'connect')));
    sockets.push(...some);
  }
  while ((await peers.tell('count')) < count);
  return sockets;
}

/** Node itself raises the soft limit to the hard one when it starts. */
function checkDescriptors(count: number): void {
  const limits = readFileSync('/proc/self/limits', 'utf8');
  const [, limit = '0'] = /^Max open files\s+(\d+)/m.exec(limits) ?? [];
  if (Number(limit) >= count + 100) return;
  throw new Error(`Expected room for ${count} sockets, got a limit of ${limit}; raise it with ulimit -n`);
}

await whenAlone(import.meta.url, (full) => manySockets(full ? 10_000 : 1_000));

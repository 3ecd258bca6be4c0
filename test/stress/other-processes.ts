import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import net from 'node:net';
import { createInterface, type Interface } from 'node:readline';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type KeepAliveOptions, setKeepAlive } from 'tcp-keepalive';
import { applyToProcess, drillProcess } from 'tcp-keepalive/machine';
import { readHearing } from '../../src/kernel/deaf.ts';
import { codeOf } from '../../src/options/errors.ts';
import { fdOf, kernelValues } from '../helpers/raw-options.ts';
import { whenAlone } from './alone.ts';

// Options are applied to a process, and it is drilled, while it opens and destroys sockets as fast as it can, so that a
// number that was just listed soon belongs to another socket. Every socket has values of its own. Those of the process to
// another port, and those of another process to the same port, must have just these and hear all the time; at the end
// all must hear, and neither side has a descriptor more.
//
//     npx tsx test/stress/other-processes.ts [--full]

interface Totals {
  applied: number;
  drilled: number;
  /** How many connections were changed, were made deaf, and were closed just before. */
  changed: number;
  deafened: number;
  closedBefore: number;
  /** How many sockets the two processes have opened, and how many of them have looked at what they have. */
  opened: number;
  checked: number;
}

/** What a process under churn says at the end. */
interface Told {
  readonly opened: number;
  readonly checked: number;
  readonly wrong: readonly string[];
}

/** Values of sockets are below this, those that are applied above. */
const OWN = 16_000;

/** How many sockets a process opens at a time to each port. */
const LANES = 6;

/** The longest that a socket is kept, in milliseconds. */
const LIFE = 40;

export async function otherProcesses(runs: number): Promise<Totals> {
  const [meant, others] = [await listening(), await listening()];
  const ports = [portOf(meant), portOf(others)];
  const [target, bystander] = await Promise.all([churning('target', ports), churning('bystander', ports)]);
  const totals = { applied: 0, drilled: 0, changed: 0, deafened: 0, closedBefore: 0, opened: 0, checked: 0 };
  const before = descriptors();
  try {
    for (let run = 0; run < runs; run++) {
      if (run % 2 === 0) await applyOnce(target.pid, ports[0], run, totals);
      else await drillOnce(target.pid, ports[0], totals);
    }
    for (const told of [await target.end(), await bystander.end()]) {
      assert.deepEqual(told.wrong, []);
      totals.opened += told.opened;
      totals.checked += told.checked;
    }
  } finally {
    target.child.kill('SIGKILL');
    bystander.child.kill('SIGKILL');
    meant.close();
    others.close();
  }
  await setTimeout(100);
  assert.ok(descriptors() <= before, `${descriptors() - before} descriptors more`);
  assert.ok(totals.changed > runs / 2, `only ${totals.changed} connections were changed`);
  assert.ok(totals.deafened > runs / 4, `only ${totals.deafened} connections were made deaf`);
  return totals;
}

async function applyOnce(
  pid: number,
  remote: number | undefined,
  run: number,
  totals: Totals,
): Promise<void> {
  const options = { ...valuesFor(OWN + (run % OWN)), count: 7 };
  for (const { after, error } of await applyToProcess(pid, { remote: remote ?? 0 }, options)) {
    if (error === undefined) {
      assert.deepEqual({ ...options, ...after }, after);
      totals.changed += 1;
    } else {
      assert.equal(codeOf(error), 'ERR_KEEPALIVE_DESTROYED', error);
      totals.closedBefore += 1;
    }
  }
  totals.applied += 1;
}

async function drillOnce(pid: number, remote: number | undefined, totals: Totals): Promise<void> {
  const end = new AbortController();
  try {
    const { connections } = await drillProcess(
      pid,
      { remote: remote ?? 0 },
      { signal: end.signal, onLook: () => end.abort() },
    );
    totals.deafened += connections.length;
    totals.drilled += 1;
  } catch (error) {
    // All were closed between two looks.
    assert.equal(codeOf(error), 'ERR_KEEPALIVE_NOT_CONNECTED', error as Error);
  }
}

async function listening(): Promise<net.Server> {
  const server = net.createServer((socket) => socket.on('error', () => {}).resume());
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 });
  await once(server, 'listening');
  return server;
}

const portOf = (server: net.Server) => (server.address() as net.AddressInfo).port;
const descriptors = () => readdirSync('/proc/self/fd').length;

interface Churning {
  readonly pid: number;
  readonly child: ChildProcess;
  /** Ends it, and gives what it has seen. */
  end(): Promise<Told>;
}

async function churning(role: string, ports: readonly number[]): Promise<Churning> {
  const file = fileURLToPath(import.meta.url);
  const args = ['--import', 'tsx', file, '--churn', role, ...ports.map(String)];
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout });
  const [first] = await once(lines, 'line');
  assert.equal(first, 'begun');
  return {
    pid: child.pid ?? 0,
    child,
    async end() {
      const last = once(lines, 'line');
      child.stdin.write('end\n');
      return JSON.parse((await last)[0]);
    },
  };
}

function valuesFor(own: number): KeepAliveOptions {
  return { enable: true, initialDelay: own * 1_000, interval: 60_000, count: 5, userTimeout: 100_000 + own };
}

/** A process of its own: opens and destroys sockets, until it is told to end. */
async function churn(role: string, ports: readonly number[], orders: Interface): Promise<Told> {
  const before = descriptors();
  const told = { opened: 0, checked: 0, wrong: [] as string[] };
  let isOver = false;
  const open = new Set<net.Socket>();
  const check = (socket: net.Socket, own: number, mayBeTouched: boolean) => {
    const fd = fdOf(socket);
    if (socket.destroyed || fd < 0) return;
    const [values, hears] = [kernelValues(socket), readHearing(fd) !== undefined];
    const expected = `1:${own}/60/5 ${100_000 + own}`;
    told.checked += 1;
    if (mayBeTouched) return;
    if (values !== expected || !hears)
      told.wrong.push(`${role}: expected ${expected}, got ${values}${hears ? '' : ', deaf'}`);
  };
  const lane = async (port: number, first: number, mayBeTouched: boolean) => {
    for (let own = first; !isOver; own = ((own + 97) % (OWN - 1)) + 1) {
      const socket = net.connect(port, '127.0.0.1').on('error', () => {});
      await once(socket, 'connect').catch(() => {});
      if (socket.destroyed) continue;
      told.opened += 1;
      open.add(socket);
      setKeepAlive(socket, valuesFor(own));
      await setTimeout(Math.random() * LIFE);
      check(socket, own, mayBeTouched);
      open.delete(socket);
      socket.destroy();
      await setImmediate();
    }
  };
  const lanes = ports.flatMap((port, at) =>
    Array.from({ length: LANES }, (_, i) =>
      lane(port, 1 + i * 1_000 + at * 500, role === 'target' && at === 0),
    ),
  );
  // Some are never closed: whatever was done to them must be undone at the end.
  const kept = await Promise.all(
    ports.map(async (port) => {
      const socket = net
        .connect(port, '127.0.0.1')
        .on('error', () => {})
        .resume();
      await once(socket, 'connect');
      return socket;
    }),
  );
  console.log('begun');
  await once(orders, 'line');
  isOver = true;
  await Promise.all(lanes);
  for (const socket of kept) {
    if (socket.destroyed) told.wrong.push(`${role}: a connection was lost`);
    else if (readHearing(fdOf(socket)) === undefined) told.wrong.push(`${role}: a connection stayed deaf`);
    socket.destroy();
  }
  await setTimeout(50);
  if (descriptors() > before) told.wrong.push(`${role}: ${descriptors() - before} descriptors more`);
  return told;
}

const [, , mode, role = '', ...ports] = process.argv;
if (mode === '--churn') {
  const told = await churn(role, ports.map(Number), createInterface({ input: process.stdin }));
  console.log(JSON.stringify(told));
  process.exit();
}
await whenAlone(import.meta.url, (full) => otherProcesses(full ? 1_000 : 100));

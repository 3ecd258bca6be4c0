import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { bundle } from '../helpers/bundle.ts';
import { PATIENCE } from '../helpers/patience.ts';
import { whenAlone } from './alone.ts';

// Worker threads and processes that set options at the same time, and processes that end in every way
// while they hold sockets. Each must end by itself, with the exit code it asked for.
//
//     npx tsx test/stress/threads-and-processes.ts [--full]

interface Ending {
  readonly name: string;
  readonly program: string;
  readonly code: number | null;
  readonly signal?: NodeJS.Signals;
  /** What it must have written. */
  readonly out: string;
}

export async function threadsAndProcesses(full: boolean): Promise<Record<string, string>> {
  const built = await bundle({ koffi: true });
  const echo = net.createServer((socket) => socket.on('error', () => {}).resume());
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  const port = String((echo.address() as net.AddressInfo).port);
  const home = path.dirname(built.cjs);
  const file = (name: string, source: string) => {
    writeFileSync(path.join(home, name), prologue + source);
    return path.join(home, name);
  };
  file('worker.mjs', worker);
  const rounds = String(full ? 20_000 : 500);
  const outcomes: Record<string, string> = {};
  try {
    await Promise.all(
      endings(full).map(async (ending, at) => {
        const program = file(`program-${at}.mjs`, ending.program);
        outcomes[ending.name] = await ends(ending, [program, port, rounds]);
      }),
    );
  } finally {
    echo.close();
    built.remove();
  }
  return outcomes;
}

async function ends({ name, code, signal, out }: Ending, args: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  // One that hangs is ended, and fails.
  const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE);
  let written = '';
  let complaints = '';
  child.stdout.on('data', (chunk) => {
    written += chunk;
    // It is ready to be interrupted.
    if (signal !== undefined && written.includes('holding')) child.kill(signal);
  });
  child.stderr.on('data', (chunk) => {
    complaints += chunk;
  });
  const [actualCode, actualSignal] = (await once(child, 'close')) as [number | null, string | null];
  clearTimeout(timer);
  const actual = { code: actualCode, signal: actualSignal, out: written.trim(), err: complaints };
  assert.deepEqual(actual, { code, signal: code === null ? (signal ?? null) : null, out, err: '' }, name);
  return `exit ${actualCode ?? actualSignal}`;
}

function endings(full: boolean): Ending[] {
  return [
    {
      name: 'threads that set options at once, each its own',
      program: `
        const workers = Array.from({ length: ${full ? 8 : 3} }, (_, at) =>
          new Worker(new URL('./worker.mjs', import.meta.url), { argv: [port, rounds, at] }));
        const told = workers.map(async (worker) => {
          await once(worker, 'message');
          return once(worker, 'message');
        });
        const wrong = await setOver(100);
        for (const [wrongThere] of await Promise.all(told)) wrong.push(...wrongThere);
        console.log(JSON.stringify(wrong));`,
      code: 0,
      out: '[]',
    },
    {
      name: 'a process that sets options at the same time',
      program: `console.log(JSON.stringify(await setOver(200)));`,
      code: 0,
      out: '[]',
    },
    {
      name: 'a thread that is terminated while it sets options',
      program: `
        const worker = new Worker(new URL('./worker.mjs', import.meta.url), { argv: [port, 1e9, 1] });
        await once(worker, 'message');
        await setOver(100);
        console.log(await worker.terminate());`,
      code: 0,
      out: '1',
    },
    {
      name: 'a main thread that exits while it and a thread hold sockets',
      program: `
        const worker = new Worker(new URL('./worker.mjs', import.meta.url), { argv: [port, 1e9, 1] });
        await once(worker, 'message');
        await held();
        process.exit(7);`,
      code: 7,
      out: '',
    },
    {
      name: 'process.exit() in the listener of a connection that is held',
      program: `
        const socket = keepAlive(net.connect(port, '127.0.0.1'), 'database');
        socket.once('connect', () => process.exit(8));`,
      code: 8,
      out: '',
    },
    {
      name: 'process.exit() in onError',
      program: `keepAlive(net.createServer(), 'database', { onError: () => process.exit(9) });`,
      code: 9,
      out: '',
    },
    {
      name: 'options set in an exit handler',
      program: `
        const socket = await held();
        process.on('exit', () => {
          setKeepAlive(socket, { count: 7 });
          console.log(getKeepAlive(socket).count);
        });
        process.exit(10);`,
      code: 10,
      out: '7',
    },
    {
      name: 'an exception that nobody catches, with a handler that exits',
      program: `
        await held();
        process.on('uncaughtException', () => process.exit(11));
        throw new Error('as meant');`,
      code: 11,
      out: '',
    },
    {
      name: 'SIGINT without a handler',
      program: `await held(); console.log('holding');`,
      signal: 'SIGINT',
      code: null,
      out: 'holding',
    },
    {
      name: 'SIGINT with a handler that closes',
      program: `
        const socket = await held();
        process.once('SIGINT', () => socket.destroy());
        console.log('holding');`,
      signal: 'SIGINT',
      code: 0,
      out: 'holding',
    },
    {
      name: 'nothing left to do but sockets that are not referenced',
      program: `(await held()).unref();`,
      code: 0,
      out: '',
    },
  ];
}

const prologue = `
import { once } from 'node:events';
import { createRequire } from 'node:module';
import net from 'node:net';
import { parentPort, Worker } from 'node:worker_threads';
const { getKeepAlive, keepAlive, setKeepAlive } = createRequire(import.meta.url)('./bundle.cjs');
const [port, rounds, own] = process.argv.slice(2).map(Number);

async function held() {
  const socket = keepAlive(net.connect(port, '127.0.0.1'), 'database');
  await once(socket, 'connect');
  await new Promise(setImmediate);
  return socket;
}

// Sets options over and over, with values that no other thread has, and tells which were not there.
async function setOver(base) {
  const socket = await held();
  // A thread that is ended while koffi is being loaded in it aborts the process, by koffi's own doing.
  parentPort?.postMessage('holding');
  const wrong = [];
  for (let round = 0; round < rounds && wrong.length === 0; round++) {
    const count = 1 + (round % 127);
    const expected = { enable: true, initialDelay: base * 1000, interval: 1000 + 1000 * base, count, userTimeout: 5000 + base };
    setKeepAlive(socket, expected);
    const { maxRetransmitInterval, failOnUnreachable, ...actual } = getKeepAlive(socket);
    if (JSON.stringify(actual) !== JSON.stringify(expected)) wrong.push({ expected, actual });
    if (round % 100 === 0) await new Promise(setImmediate);
  }
  socket.destroy();
  return wrong;
}
`;

const worker = `parentPort.postMessage(await setOver(300 + own));`;

await whenAlone(import.meta.url, threadsAndProcesses);

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { afterAll, vi } from 'vitest';
import { portOf } from './listen.ts';
import { PATIENCE } from './patience.ts';

/** A program that a test looks at from outside. */
export interface OtherProcess {
  readonly pid: number;
  readonly child: ChildProcess;
  /** All that it has written. */
  out(): string;
  /** Waits until it has written this. */
  says(text: string | RegExp): Promise<void>;
  /** Gives it a line; the programs of this file run it as code. */
  tell(line: string): void;
}

// Tests that run at once cannot say when each of them has finished.
const closings: (() => unknown)[] = [];
afterAll(() => {
  for (const close of closings) close();
});

/** Listens until the tests of the file end, and gives the port. */
export async function listenForAll(server: net.Server, host = '127.0.0.1'): Promise<number> {
  const accepted = new Set<net.Socket>();
  server.on('connection', (socket: net.Socket) => accepted.add(socket.on('error', () => {})));
  closings.push(() => {
    for (const socket of accepted) socket.destroy();
    server.close();
  });
  await once(server.listen(0, host), 'listening');
  return portOf(server);
}

/** Starts a program, until the tests of the file end. */
export function startProcess(command: readonly string[], env: NodeJS.ProcessEnv = process.env): OtherProcess {
  const [program = '', ...args] = command;
  const child = spawn(program, args, { stdio: 'pipe', env });
  closings.push(() => child.kill('SIGKILL'));
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      text += chunk;
    });
  }
  const has = (wanted: string | RegExp) =>
    typeof wanted === 'string' ? text.includes(wanted) : wanted.test(text);
  return {
    pid: child.pid ?? 0,
    child,
    out: () => text,
    says: async (wanted) => {
      await vi
        .waitUntil(() => has(wanted), { timeout: PATIENCE, interval: 10 })
        .catch(() => {
          throw new Error(`Expected the program to say ${wanted}, got ${text}`);
        });
    },
    tell: (line) => void child.stdin.write(`${line}\n`),
  };
}

/** A program of Node that opens connections; `open(i)` is one of them, and `connect()` opens one more. */
const clientProgram = `
const net = require('node:net');
const sockets = [];
const open = (i) => sockets[i];
let reconnects = false;
function connect() {
  const socket = net.connect(Number(process.argv[1]), process.argv[2]);
  sockets.push(socket);
  socket.on('connect', () => console.log('connected ' + socket.localPort));
  socket.on('error', ({ code }) => console.log('error ' + code));
  socket.on('close', () => {
    console.log('closed');
    if (reconnects) setTimeout(connect, 100);
  });
  socket.resume();
}
for (let i = 0; i < Number(process.argv[3]); i++) connect();
process.stdin.on('data', (code) => eval(String(code)));
`;

/** A server of this process with connections of another process. */
export interface Clients extends OtherProcess {
  readonly port: number;
  /** The ends of this process, in the order in which they were accepted. */
  readonly accepted: net.Socket[];
}

/** Starts a program of Node that opens so many connections to a server of this process. */
export async function clientsOf(count: number, host = '127.0.0.1'): Promise<Clients> {
  const server = net.createServer({ allowHalfOpen: true }).setMaxListeners(0);
  const accepted: net.Socket[] = [];
  server.on('connection', (socket) => accepted.push(socket.resume()));
  const port = await listenForAll(server, host.includes(':') ? '::' : host);
  const client = startProcess([process.execPath, '-e', clientProgram, String(port), host, String(count)]);
  while (accepted.length < count) await once(server, 'connection');
  return { ...client, port, accepted };
}

/** The reason why there is no Python here, or `undefined`. */
export function missingPython(): string | undefined {
  return spawnSync('python3', ['--version']).status === 0 ? undefined : 'python3 is not installed';
}

/** A program of Python that opens one connection, runs lines of code, and tells the kernel's own values. */
export const pythonProgram = `
import socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
def values():
    tcp = [s.getsockopt(6, name) for name in (4, 5, 6, 18)]
    print('values', s.getsockopt(1, 9), *tcp, flush=True)
for line in sys.stdin:
    exec(line)
`;

/** Whether other users and namespaces can be tried here. */
export const isRoot: boolean = process.getuid?.() === 0;

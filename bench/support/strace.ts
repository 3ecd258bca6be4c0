import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { startPeer } from './child.ts';
import { connectMany } from './connect-many.ts';
import { builtEntry } from './library.ts';

// A program's own start makes calls too, so each connection's share is the slope between two runs.
const FEW = 100;
const MANY = 500;

// Those that are made for a connection; how often the loop polls and the heap grows is chance.
const CALLS = 'accept4,accept,setsockopt,getsockopt,fcntl,ioctl,getpeername,getsockname';

/** How a server sets its connections: not at all, through itself, or each as it comes. */
export type Accepting = 'none' | 'server' | 'socket';

/** How a client's connections are held: not at all, by a call for each, or by a rule. */
export type Connecting = 'none' | 'hold' | 'rule';

/** The reason why calls cannot be counted here, or `undefined`. */
export function obstacleToStrace(): string | undefined {
  return spawnSync('strace', ['-o', '/dev/null', 'true']).status === 0
    ? undefined
    : 'no strace, or not allowed';
}

/** The system calls that a server makes for each connection that it accepts. */
export function systemCallsPerAccept(setting: Accepting): Promise<number> {
  return perConnection((connections) => [server(setting, connections), serve(connections)]);
}

/** The system calls that a client makes for each connection, from `connect()` until it is destroyed. */
export async function systemCallsPerConnect(setting: Connecting): Promise<number> {
  const peer = await startPeer();
  try {
    return await perConnection((connections) => [client(setting, connections, peer.port), async () => {}]);
  } finally {
    peer.close();
  }
}

/** What a traced program needs of this process while it runs. */
type Partner = (program: ChildProcessByStdio<null, Readable, null>) => Promise<void>;

async function perConnection(
  run: (connections: number) => [program: string, partner: Partner],
): Promise<number> {
  return ((await callsOf(...run(MANY))) - (await callsOf(...run(FEW)))) / (MANY - FEW);
}

async function callsOf(source: string, partner: Partner): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'tcp-keepalive-strace-'));
  const summary = join(directory, 'summary');
  const command = [process.execPath, '--input-type=module', '--eval', source];
  const program = spawn('strace', ['-f', '-c', '-e', `trace=${CALLS}`, '-o', summary, ...command], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const ended = once(program, 'exit');
    await partner(program);
    await ended;
    return total(readFileSync(summary, 'utf8'));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function serve(connections: number): Partner {
  return async ({ stdout }) => {
    const [port] = (await once(stdout, 'data')) as [Buffer];
    const sockets = await connectMany(Number(port), connections);
    // They are reset when the server ends, which it does by itself.
    for (const socket of sockets) socket.on('error', () => {});
  };
}

// Plain JavaScript, so that nothing but Node and the library is traced.
function server(setting: Accepting, connections: number): string {
  return `
    import net from 'node:net';
    import { keepAliveServer, setKeepAlive } from ${JSON.stringify(builtEntry)};
    let accepted = 0;
    const server = net.createServer((socket) => {
      socket.on('error', () => {});
      if (${setting === 'socket'}) setKeepAlive(socket, 'database');
      accepted += 1;
      if (accepted === ${connections}) setTimeout(() => process.exit(), 100);
    });
    if (${setting === 'server'}) keepAliveServer(server, 'database');
    server.listen({ port: 0, host: '127.0.0.1', backlog: 1024 }, () => console.log(server.address().port));`;
}

// Five options, as every kernel has them.
function client(setting: Connecting, connections: number, port: number): string {
  return `
    import { once } from 'node:events';
    import net from 'node:net';
    import { installKeepAlive, keepAlive, presets } from ${JSON.stringify(builtEntry)};
    const { maxRetransmitInterval, ...five } = presets.database;
    if (${setting === 'rule'}) installKeepAlive([{ side: 'client', use: five }]);
    for (let count = 0; count < ${connections}; count++) {
      const socket = net.connect(${port}, '127.0.0.1');
      if (${setting === 'hold'}) keepAlive(socket, five);
      await once(socket, 'connect');
      // After it, a hold looks once more.
      await new Promise(setImmediate);
      await new Promise(setImmediate);
      socket.destroy();
    }
    process.exit();`;
}

/** The number of calls in the last line of strace's summary. */
function total(summary: string): number {
  const calls = /^\s*100\.00\s+\S+\s+\S+\s+(\d+)/m.exec(summary.split('\n').findLast(isTotal) ?? '')?.[1];
  if (calls === undefined) throw new Error(`strace gave no total:\n${summary}`);
  return Number(calls);
}

function isTotal(line: string): boolean {
  return line.trimEnd().endsWith('total');
}

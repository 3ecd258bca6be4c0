import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectMany } from './connect-many.ts';
import { builtEntry } from './library.ts';

// A server's own start makes calls too, so each connection's share is the slope between two runs.
const FEW = 100;
const MANY = 500;

// Those that are made for a connection; how often the loop polls and the heap grows is chance.
const CALLS = 'accept4,accept,setsockopt,getsockopt,fcntl,ioctl,getpeername,getsockname';

/** How the server sets its connections: not at all, through itself, or each as it comes. */
export type Setting = 'none' | 'server' | 'socket';

/** The system calls that a server makes for each connection that it accepts. */
export async function systemCallsPerAccept(setting: Setting): Promise<number> {
  return ((await callsFor(setting, MANY)) - (await callsFor(setting, FEW))) / (MANY - FEW);
}

async function callsFor(setting: Setting, connections: number): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'tcp-keepalive-strace-'));
  const summary = join(directory, 'summary');
  const command = [process.execPath, '--input-type=module', '--eval', program(setting, connections)];
  const server = spawn('strace', ['-f', '-c', '-e', `trace=${CALLS}`, '-o', summary, ...command], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const [port] = (await once(server.stdout, 'data')) as [Buffer];
    const ended = once(server, 'exit');
    const sockets = await connectMany(Number(port), connections);
    // They are reset when the server ends, which it does by itself.
    for (const socket of sockets) socket.on('error', () => {});
    await ended;
    return total(readFileSync(summary, 'utf8'));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

// Plain JavaScript, so that nothing but Node and the library is traced.
function program(setting: Setting, connections: number): string {
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

/** The number of calls in the last line of strace's summary. */
function total(summary: string): number {
  const calls = /^\s*100\.00\s+\S+\s+\S+\s+(\d+)/m.exec(summary.split('\n').findLast(isTotal) ?? '')?.[1];
  if (calls === undefined) throw new Error(`strace gave no total:\n${summary}`);
  return Number(calls);
}

function isTotal(line: string): boolean {
  return line.trimEnd().endsWith('total');
}

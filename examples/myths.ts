// What is often said of TCP keepalive, and what Linux and Node do. All of it is measured here, in ten seconds.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { getTcpInfo, type KeepAliveOptions, setKeepAlive } from 'tcp-keepalive';
import { vanish } from 'tcp-keepalive/testing';

export async function main(): Promise<void> {
  if (process.platform !== 'linux') return console.log('This needs Linux.');
  const facts = [lastWait, countIgnored, ownSending, killedServer, woken, whoIsTold];
  const lines = await Promise.all(facts.map((fact) => fact()));
  console.log(lines.join('\n'));
}

/** People add up idle + interval x (count - 1). The kernel also waits after its last probe. */
async function lastWait(): Promise<string> {
  const { noticed } = await lose({ initialDelay: 2_000, interval: 2_000, count: 3 });
  return `2 s, 2 s, 3 probes: dropped after ${noticed}, not after 6 s`;
}

/** People set `count` beside a user timeout. The kernel then ignores it. */
async function countIgnored(): Promise<string> {
  const { noticed } = await lose({ initialDelay: 2_000, interval: 1_000, count: 9, userTimeout: 3_000 });
  return `2 s, 1 s, 9 probes and a user timeout of 3 s: dropped after ${noticed}, not after 11 s`;
}

/** People think that what they send puts the first probe off. What they receive does: here an ACK that comes late. */
async function ownSending(): Promise<string> {
  const { socket, peer, close } = await connected();
  setKeepAlive(socket, { initialDelay: 2_000, interval: 1_000, count: 9 });
  const heardAgain = vanish(socket);
  const started = performance.now();
  socket.write('sent into the silence');
  await setTimeout(2_000);
  heardAgain();
  while ((getTcpInfo(socket).unacked ?? 0) > 0) await setTimeout(10);
  const acknowledged = secondsSince(started);
  vanish(socket);
  while (getTcpInfo(socket).probes === 0) await setTimeout(10);
  const probed = secondsSince(started);
  close();
  peer.destroy();
  return `initialDelay 2 s, data sent at 0.0 s and acknowledged at ${acknowledged}: the first probe goes out at ${probed}`;
}

/** People fear that a restarted server leaves silent connections. Its kernel ends them, even after a SIGKILL. */
async function killedServer(): Promise<string> {
  const program =
    "net.createServer((socket) => socket.write('hello')).listen(0, '127.0.0.1', function () { console.log(this.address().port) })";
  const server = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [port] = await once(server.stdout, 'data');
  const socket = net.connect(Number(port), '127.0.0.1');
  await once(socket, 'data');
  const started = performance.now();
  server.kill('SIGKILL');
  await once(socket, 'end');
  return `the server is killed: its client hears of it after ${(performance.now() - started).toFixed(0)} ms`;
}

/** People say that a user timeout does not wake Node. Nothing else is pending here. */
async function woken(): Promise<string> {
  const { noticed, error } = await lose({ userTimeout: 3_000 }, 'a query');
  return `a user timeout of 3 s, data in flight: '${error.message}' after ${noticed}`;
}

/** People wait for ETIMEDOUT from the write. The write has succeeded long before: the read fails. */
async function whoIsTold(): Promise<string> {
  const { error, written } = await lose({ userTimeout: 1_000 }, 'a query');
  return `the write: ${written}; the error: syscall '${error.syscall}', code '${error.code}'`;
}

/** Loses the peer of a connection: when its socket noticed, and what it and its write were told. */
async function lose(options: KeepAliveOptions, data?: string) {
  const { socket, peer, close } = await connected();
  setKeepAlive(socket, options);
  vanish(socket, peer);
  const started = performance.now();
  let written = 'no answer';
  if (data !== undefined) socket.write(data, (error) => (written = error ? error.message : 'no error'));
  const error = await new Promise<NodeJS.ErrnoException>((resolve) => socket.once('error', resolve));
  const noticed = secondsSince(started);
  close();
  peer.destroy();
  return { noticed, error, written };
}

async function connected() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = net.connect((server.address() as net.AddressInfo).port, '127.0.0.1').resume();
  const [[peer]] = await Promise.all([once(server, 'connection'), once(socket, 'connect')]);
  peer.resume();
  return {
    socket,
    peer: peer as net.Socket,
    close() {
      socket.destroy();
      server.close();
    },
  };
}

function secondsSince(started: number): string {
  return `${((performance.now() - started) / 1_000).toFixed(1)} s`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();

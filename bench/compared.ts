// What Node's own setKeepAlive, net-keepalive and sockopt leave on a socket, read back from the kernel: the cells of
// docs/compared.md. Run it on each Node line, after `npm ci --prefix bench`: npx tsx bench/compared.ts
import { once } from 'node:events';
import { createRequire } from 'node:module';
import net from 'node:net';
import { getKeepAlive, keepAlive } from 'tcp-keepalive';

interface NetKeepAlive {
  setKeepAliveInterval(socket: net.Socket, milliseconds: number): boolean;
  setKeepAliveProbes(socket: net.Socket, count: number): boolean;
  setUserTimeout(socket: net.Socket, milliseconds: number): boolean;
}

interface Sockopt {
  setsockopt(socket: net.Socket, level: number, name: number, value: number): void;
}

/** Node's own call. Its types know interval and count from 24.19 on. */
type NodesOwn = (...args: unknown[]) => unknown;

const require = createRequire(import.meta.url);
const netKeepAlive: NetKeepAlive = require('net-keepalive');
const sockopt: Sockopt = require('sockopt');
const TCP = 6;
const [TCP_KEEPCNT, TCP_USER_TIMEOUT] = [6, 18];

function node(socket: net.Socket, ...args: unknown[]): void {
  (socket.setKeepAlive as NodesOwn)(...args);
}

function allOfNetKeepAlive(socket: net.Socket): void {
  node(socket, true, 10_000);
  netKeepAlive.setKeepAliveInterval(socket, 5_000);
  netKeepAlive.setKeepAliveProbes(socket, 3);
  netKeepAlive.setUserTimeout(socket, 24_500);
}

const cases: Record<string, (socket: net.Socket) => void> = {
  'nothing is called': () => {},
  'setKeepAlive(true)': (socket) => node(socket, true),
  'setKeepAlive(true, 60000)': (socket) => node(socket, true, 60_000),
  'setKeepAlive(true, 10000, 5000, 3)': (socket) => node(socket, true, 10_000, 5_000, 3),
  '  and setKeepAlive(true, 60000) after it': (socket) => {
    node(socket, true, 10_000, 5_000, 3);
    node(socket, true, 60_000);
  },
  'setKeepAlive(true, 10000, 1999, 3)': (socket) => node(socket, true, 10_000, 1_999, 3),
  'setKeepAlive(true, 10000, 500, 3)': (socket) => node(socket, true, 10_000, 500, 3),
  'setKeepAlive(true, 10000, 5000, 200)': (socket) => node(socket, true, 10_000, 5_000, 200),
  'setKeepAlive(true, 10000, 5000, 0)': (socket) => node(socket, true, 10_000, 5_000, 0),
  'net-keepalive, all three, and Node': allOfNetKeepAlive,
  '  and setKeepAlive(true, 60000) after those': (socket) => {
    allOfNetKeepAlive(socket);
    node(socket, true, 60_000);
  },
  'net-keepalive, interval alone': (socket) => netKeepAlive.setKeepAliveInterval(socket, 5_000),
  'net-keepalive, interval of 1999 ms': (socket) => netKeepAlive.setKeepAliveInterval(socket, 1_999),
  'net-keepalive, user timeout of 2**32 + 5 ms': (socket) => netKeepAlive.setUserTimeout(socket, 2 ** 32 + 5),
  'net-keepalive, no probe': (socket) => netKeepAlive.setKeepAliveProbes(socket, 0),
  'net-keepalive, while it connects': (socket) =>
    netKeepAlive.setKeepAliveInterval(connecting(socket), 5_000),
  'sockopt, user timeout of 2**32 + 5 ms': (socket) =>
    sockopt.setsockopt(socket, TCP, TCP_USER_TIMEOUT, 2 ** 32 + 5),
  'sockopt, no probe': (socket) => sockopt.setsockopt(socket, TCP, TCP_KEEPCNT, 0),
  'sockopt, while it connects': (socket) => sockopt.setsockopt(connecting(socket), TCP, TCP_KEEPCNT, 3),
  'keepAlive(socket, database)': (socket) => void keepAlive(socket, 'database'),
  '  and setKeepAlive(true, 60000) after it, held': (socket) => {
    keepAlive(socket, 'database');
    node(socket, true, 60_000);
  },
};

const server = net.createServer((socket) => void socket.on('error', () => {})).listen(0, '127.0.0.1');
await once(server, 'listening');
const { port } = server.address() as net.AddressInfo;

function connecting(other: net.Socket): net.Socket {
  const socket = net.connect(port, '127.0.0.1').on('error', () => {});
  other.once('close', () => socket.destroy());
  return socket;
}

console.log(
  `Node ${process.version}: probes, initialDelay / interval / count in seconds, userTimeout in milliseconds`,
);
for (const [name, act] of Object.entries(cases)) {
  const socket = net.connect(port, '127.0.0.1');
  await once(socket, 'connect');
  let refused = '';
  try {
    act(socket);
  } catch (error) {
    refused = `  throws ${(error as Error).message.split('\n')[0]}`;
  }
  const { enable, initialDelay = 0, interval = 0, count, userTimeout } = getKeepAlive(socket);
  const times = `${initialDelay / 1_000}/${interval / 1_000}/${count} ${userTimeout}`;
  console.log(`${name.padEnd(44)} ${enable ? 'on ' : 'off'} ${times}${refused}`);
  socket.destroy();
}
server.close();

import { createRequire } from 'node:module';
import type net from 'node:net';
import { loadFloor } from './floor.ts';
import { library } from './library.ts';

// Nobody else sets the sixth option.
const { maxRetransmitInterval: _sixth, ...five } = library.presets.database;
const database = Object.freeze(five);

/** Work on one socket, done again and again. */
export type Work = (socket: net.Socket) => unknown;

/** What can be compared: what each does for the same five options. */
export type Job = 'set' | 'read' | 'info';

interface Sockopt {
  setsockopt(socket: net.Socket, level: number, name: number, value: number): void;
  getsockopt(socket: net.Socket, level: number, name: number): number;
}

interface NetKeepAlive {
  setKeepAliveInterval(socket: net.Socket, interval: number): boolean;
  setKeepAliveProbes(socket: net.Socket, count: number): boolean;
  setUserTimeout(socket: net.Socket, milliseconds: number): boolean;
  getKeepAliveInterval(socket: net.Socket): number;
  getKeepAliveProbes(socket: net.Socket): number;
  getUserTimeout(socket: net.Socket): number;
}

const require = createRequire(import.meta.url);
const SOL_SOCKET = 1;
const SO_KEEPALIVE = 9;
const TCP = 6;
const IDLE = 4;
const INTERVAL = 5;
const COUNT = 6;
const USER_TIMEOUT = 18;

/**
 * The work of a contender at a job. All set the `database` preset: 10 s, 5 s, 3 and 24.5 s.
 *
 * @param name - `tcp-keepalive`, `sockopt`, `net-keepalive`, `node`, or the path of the floor's addon
 */
export function contender(job: Job, name: string): Work {
  const work = known(name)[job];
  if (work === undefined) throw new Error(`${name} cannot ${job}`);
  return work;
}

function known(name: string): Partial<Record<Job, Work>> {
  if (name === 'tcp-keepalive') return ours();
  if (name === 'sockopt') return sockopt();
  if (name === 'net-keepalive') return netKeepAlive();
  if (name === 'node') return { set: nodesOwn(20_000, 21_000) };
  return floor(name);
}

function ours(): Record<Job, Work> {
  const { setKeepAlive, getKeepAlive, getTcpInfo } = library;
  return { set: (socket) => setKeepAlive(socket, database), read: getKeepAlive, info: getTcpInfo };
}

function sockopt(): Partial<Record<Job, Work>> {
  const { setsockopt, getsockopt } = require('sockopt') as Sockopt;
  return {
    set(socket) {
      setsockopt(socket, TCP, USER_TIMEOUT, 24_500);
      setsockopt(socket, TCP, INTERVAL, 5);
      setsockopt(socket, TCP, COUNT, 3);
      setsockopt(socket, TCP, IDLE, 10);
      setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
    },
    read: (socket) => ({
      enable: getsockopt(socket, SOL_SOCKET, SO_KEEPALIVE),
      initialDelay: getsockopt(socket, TCP, IDLE),
      interval: getsockopt(socket, TCP, INTERVAL),
      count: getsockopt(socket, TCP, COUNT),
      userTimeout: getsockopt(socket, TCP, USER_TIMEOUT),
    }),
  };
}

function netKeepAlive(): Partial<Record<Job, Work>> {
  const enable = nodesOwn(10_000, 11_000);
  const library = require('net-keepalive') as NetKeepAlive;
  return {
    set(socket) {
      // First, because it resets interval and count.
      enable(socket);
      library.setKeepAliveInterval(socket, 5_000);
      library.setKeepAliveProbes(socket, 3);
      library.setUserTimeout(socket, 24_500);
    },
    // It can read neither SO_KEEPALIVE nor the initial delay back.
    read: (socket) => ({
      interval: library.getKeepAliveInterval(socket),
      count: library.getKeepAliveProbes(socket),
      userTimeout: library.getUserTimeout(socket),
    }),
  };
}

/**
 * Node's own call, with a delay that changes: it skips one equal to the last, which on a new socket
 * there is not.
 */
function nodesOwn(one: number, other: number): Work {
  let delay = other;
  return (socket) => {
    delay = delay === one ? other : one;
    socket.setKeepAlive(true, delay);
  };
}

/** The addon reads the descriptor each time as well, since nobody may keep one. */
function floor(path: string): Record<Job, Work> {
  const { set, get, tcpInfo } = loadFloor(path);
  const values = new Int32Array(5);
  const structure = new Int32Array(128);
  return {
    set: (socket) => set(descriptor(socket), 1, 10, 5, 3, 24_500),
    read: (socket) => get(descriptor(socket), values),
    info: (socket) => tcpInfo(descriptor(socket), structure),
  };
}

function descriptor(socket: net.Socket): number {
  return (socket as unknown as { _handle: { fd: number } })._handle.fd;
}

import { once } from 'node:events';
import net from 'node:net';
import { expect, onTestFinished } from 'vitest';
import { type ConnectedPair, connectedPair } from './connected-pair.ts';
import { listenOnPath, portOf, untilFinished } from './listen.ts';
import { writeRaw } from './raw-options.ts';
import { bindToLoopback, closeDescriptor, connectToLoopback, openSocket } from './system-calls.ts';

/** Two connected TCP sockets, until the test ends. */
export async function pair(host?: string): Promise<ConnectedPair> {
  const connected = await connectedPair(host);
  onTestFinished(connected.close);
  return connected;
}

/** A connected TCP socket, until the test ends. */
export async function connection(host?: string): Promise<net.Socket> {
  return (await pair(host)).client;
}

/** A connected socket with Linux's own defaults, whatever those of this machine are. */
export const untouched = '0:7200/75/9 0';
export async function untouchedConnection(): Promise<net.Socket> {
  const client = await connection();
  writeRaw(client, 'initialDelay', 7_200);
  writeRaw(client, 'interval', 75);
  writeRaw(client, 'count', 9);
  return client;
}

/** A socket connected to a Unix listener, until the test ends. */
export async function unixConnection(): Promise<net.Socket> {
  const socket = net.connect(await listenOnPath(net.createServer()));
  onTestFinished(() => void socket.destroy());
  await once(socket, 'connect');
  return socket;
}

const AF_INET = 2;
const SOCK_STREAM = 1;
const numberOf = { TCP: 6, MPTCP: 262 };

/** The reason why this machine has no Multipath TCP, or `undefined`. */
export function missingMultipath(): string | undefined {
  const fd = process.platform === 'linux' ? openSocket(AF_INET, SOCK_STREAM, numberOf.MPTCP) : -1;
  if (fd < 0) return 'this kernel has no Multipath TCP, or net.mptcp.enabled is 0';
  closeDescriptor(fd);
  return undefined;
}

/** A connected socket, of TCP or of Multipath TCP, that was made by system calls and then opened by Node. */
export async function adopted(protocol: 'TCP' | 'MPTCP'): Promise<net.Socket> {
  // The listener is of the same protocol, because Multipath TCP falls back to TCP with any other.
  const listener = await adoptedListener(protocol);
  const fd = openSocket(AF_INET, SOCK_STREAM, numberOf[protocol]);
  expect(connectToLoopback(fd, portOf(listener))).toBe(0);
  const client = new net.Socket({ fd });
  onTestFinished(() => void client.destroy());
  return client;
}

/** A server whose listening socket was made past Node. */
export async function adoptedListener(protocol: 'TCP' | 'MPTCP'): Promise<net.Server> {
  const fd = openSocket(AF_INET, SOCK_STREAM, numberOf[protocol]);
  bindToLoopback(fd);
  const listener = untilFinished(net.createServer((accepted) => accepted.resume()));
  await once(listener.listen({ fd }), 'listening');
  return listener;
}

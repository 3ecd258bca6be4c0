import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';

/** Listens until the test ends, and then ends accepted connections. Returns the port. */
export async function listen(server: net.Server, port = 0, host = '127.0.0.1'): Promise<number> {
  await once(untilFinished(server).listen(port, host), 'listening');
  return portOf(server);
}

/** Listens on a Unix socket until the test ends. Returns the path. */
export async function listenOnPath(server: net.Server): Promise<string> {
  const directory = mkdtempSync(path.join(tmpdir(), 'keepalive-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const file = path.join(directory, 'socket');
  await once(untilFinished(server).listen(file), 'listening');
  return file;
}

export function portOf(server: net.Server): number {
  return (server.address() as net.AddressInfo).port;
}

/** Connects to a server until the test ends. Returns the socket that the server accepted. */
export async function accept(server: net.Server, host = '127.0.0.1'): Promise<net.Socket> {
  const accepted = once(server, 'connection') as Promise<[net.Socket]>;
  const client = net.connect(portOf(server), host).on('error', () => {});
  onTestFinished(() => void client.destroy());
  return (await accepted)[0];
}

/** Ends a server and its connections when the test ends. */
export function untilFinished<S extends net.Server>(server: S): S {
  const accepted = new Set<net.Socket>();
  server.on('connection', (socket: net.Socket) => accepted.add(socket.on('error', () => {})));
  onTestFinished(() => {
    for (const socket of accepted) socket.destroy();
    server.close();
  });
  return server;
}

/** Selects what is open to a server, and neither what has ended there nor others' connections to such a port. */
export function openTo(port: number): { remote: string; state: 'ESTABLISHED' } {
  return { remote: `127.0.0.1:${port}`, state: 'ESTABLISHED' };
}

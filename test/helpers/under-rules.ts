import { once } from 'node:events';
import net from 'node:net';
import { afterEach, beforeEach, expect } from 'vitest';
import { installKeepAlive } from '../../src/rules/install.ts';
import type { KeepAliveRule } from '../../src/rules/rule.ts';

/** Linux's own, and three presets, in the words of `kernelValues`. */
export const DEFAULTS = '0:7200/75/9 0';
export const DATABASE = '1:10/5/3 24500';
export const WEBSOCKET = '1:45/15/3 89500';
export const FAST_FAILOVER = '1:5/2/3 10500';

/** What ends with each test, in the files that call {@link underRules}: rules, sockets and servers. */
export const uninstalls: (() => void)[] = [];
export const opened: (net.Socket | net.Server)[] = [];
/** A test fails if it leaves a warning here. */
export const warnings: Error[] = [];

/** Ends after each test of a file what the helpers below have begun. */
export function underRules(): void {
  const collect = (warning: Error) => warnings.push(warning);
  beforeEach(() => {
    process.on('warning', collect);
  });
  afterEach(async () => {
    for (const uninstall of uninstalls.splice(0)) uninstall();
    // The last first: Node 20 crashes where the socket under a TLS socket is destroyed before it.
    for (const each of opened.splice(0).reverse()) {
      if (each instanceof net.Socket) each.destroy();
      else each.close();
    }
    await new Promise(setImmediate);
    process.off('warning', collect);
    expect(warnings.splice(0)).toEqual([]);
  });
}

export function install(...rules: KeepAliveRule[]): () => void {
  const uninstall = installKeepAlive(rules);
  uninstalls.push(uninstall);
  return uninstall;
}

export async function listen(server: net.Server = net.createServer(), host = '127.0.0.1'): Promise<number> {
  opened.push(server);
  server.on('connection', (socket: net.Socket) => {
    opened.push(socket);
    socket.on('error', () => {});
  });
  server.listen(0, host);
  await once(server, 'listening');
  return (server.address() as net.AddressInfo).port;
}

export async function connect(options: net.NetConnectOpts): Promise<net.Socket> {
  const socket = net.connect(options);
  opened.push(socket);
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

/** The accepted end, once everybody has had the chance to set it. */
export async function nextAccepted(server: net.Server): Promise<net.Socket> {
  const [socket] = (await once(server, 'connection')) as [net.Socket];
  await new Promise(setImmediate);
  return socket;
}

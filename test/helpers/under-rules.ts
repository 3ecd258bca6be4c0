import { once } from 'node:events';
import net from 'node:net';
import { afterEach, beforeEach, expect } from 'vitest';
import { installKeepAlive } from '../../src/rules/install.ts';
import type { KeepAliveRule } from '../../src/rules/rule.ts';

/** The defaults of Linux and three presets, in the form of `kernelValues`. */
export const DEFAULTS = '0:7200/75/9 0';
export const DATABASE = '1:10/5/3 24500';
export const WEBSOCKET = '1:45/15/3 89500';
export const FAST_FAILOVER = '1:5/2/3 10500';

/** Rules, sockets and servers, which {@link underRules} ends after each test. */
export const uninstalls: (() => void)[] = [];
export const opened: (net.Socket | net.Server)[] = [];
/** The warnings of a test, which fails if it leaves one here. */
export const warnings: Error[] = [];

/** Ends the rules, sockets and servers of the helpers below after each test of a file. */
export function underRules(): void {
  const collect = (warning: Error) => warnings.push(warning);
  beforeEach(() => {
    process.on('warning', collect);
  });
  afterEach(async () => {
    for (const uninstall of uninstalls.splice(0)) uninstall();
    // The last first, because Node 20 crashes if the socket under a TLS socket is destroyed before it.
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

/** The accepted end, after all listeners for 'connection' have run. */
export async function nextAccepted(server: net.Server): Promise<net.Socket> {
  const [socket] = (await once(server, 'connection')) as [net.Socket];
  await new Promise(setImmediate);
  return socket;
}

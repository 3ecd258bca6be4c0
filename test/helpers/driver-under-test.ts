import net from 'node:net';
import { expectDetection, type VanishingProxy, vanishingProxy } from 'tcp-keepalive/testing';
import { expect, onTestFinished, vi } from 'vitest';
import type { KeepAliveOptions } from '../../src/options/options.ts';

/** Options with short times: an idle connection is dropped after 3 s. */
export const quick: KeepAliveOptions = Object.freeze({
  initialDelay: 1_000,
  interval: 1_000,
  count: 2,
  userTimeout: 'auto',
});

/** The same options, in the form of `kernelValues`. */
export const quickInKernel = '1:1/1/2 2500';

/** A proxy in front of a server, for one test. */
export async function proxyTo({ port }: { port: number }): Promise<VanishingProxy> {
  const proxy = await vanishingProxy({ to: port });
  onTestFinished(() => proxy.close());
  return proxy;
}

/** Collects every socket that this test connects, without the help of a driver. */
export function connectedSockets(): { to(port: number): net.Socket[] } {
  const connect = vi.spyOn(net.Socket.prototype, 'connect');
  onTestFinished(() => connect.mockRestore());
  const sockets = connect.mock.contexts as net.Socket[];
  return { to: (port) => sockets.filter((socket) => socket.remotePort === port) };
}

/** The only element of a list. */
export function only<T>(items: readonly T[]): T {
  expect(items).toHaveLength(1);
  return items[0] as T;
}

/** Long enough for the work of a driver, or of Node, when a connection becomes idle. */
export function idleAMoment(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 100));
}

/** Expects that a driver reports a vanished peer when {@link quick} says so. The loss is in flight from `told` on. */
export async function expectInTime<T>(
  state: 'idle' | 'unacknowledged',
  socket: net.Socket,
  told: () => Promise<T>,
): Promise<T> {
  return (await expectDetection(told(), quick, { state, socket })) as T;
}

/** The error with which a promise is rejected, or that an event has: the one that a driver's user gets. */
export async function errorOf(failing: Promise<unknown>): Promise<NodeJS.ErrnoException> {
  const error = await failing.then(
    () => new Error('nothing failed'),
    (reason: unknown) => reason,
  );
  return error as NodeJS.ErrnoException;
}

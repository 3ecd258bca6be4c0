import net from 'node:net';
import { expect, onTestFinished, vi } from 'vitest';
import type { KeepAliveOptions } from '../../src/options/options.ts';
import { predictDetection } from '../../src/predict/predict.ts';
import { getTcpInfo } from '../../src/sockets/get.ts';
import { type DeafProxy, deafProxy } from './deaf-proxy.ts';
import { expectDetected, lastHeard } from './detection.ts';

/** Options that a test has the time for: an idle connection is dropped after 3 s. */
export const quick: KeepAliveOptions = Object.freeze({
  initialDelay: 1_000,
  interval: 1_000,
  count: 2,
  userTimeout: 'auto',
});

/** What the kernel then says, in the words of `kernelValues`. */
export const quickInKernel = '1:1/1/2 2500';

/** A proxy in front of a server, for one test. */
export async function proxyTo(target: { host?: string; port: number }): Promise<DeafProxy> {
  const proxy = await deafProxy(target);
  onTestFinished(() => proxy.close());
  return proxy;
}

/** Collects every socket that this test connects, whoever does it, without anything of a driver's. */
export function connectedSockets(): { to(port: number): net.Socket[] } {
  const connect = vi.spyOn(net.Socket.prototype, 'connect');
  onTestFinished(() => connect.mockRestore());
  const sockets = connect.mock.contexts as net.Socket[];
  return { to: (port) => sockets.filter((socket) => socket.remotePort === port) };
}

/** The only one of a list. */
export function only<T>(items: readonly T[]): T {
  expect(items).toHaveLength(1);
  return items[0] as T;
}

/** Long enough for what a driver, or Node, does to a connection when it has nothing to do. */
export function idleAMoment(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 100));
}

/**
 * Times what the driver's user is told after the peer has vanished, against what was predicted for
 * {@link quick}: of an idle connection, from the last that was heard; with data in flight, from the
 * write that `told` begins with.
 */
export async function expectInTime<T>(
  state: 'idle' | 'unacknowledged',
  socket: net.Socket,
  told: () => Promise<T>,
): Promise<T> {
  const { rto } = getTcpInfo(socket);
  const since = state === 'idle' ? lastHeard(socket) : performance.now();
  const result = await told();
  expectDetected(predictDetection(quick, { rto })[state], since);
  return result;
}

/** What a promise is rejected with, or an event brings: the error that a driver's user gets. */
export async function errorOf(failing: Promise<unknown>): Promise<NodeJS.ErrnoException> {
  const error = await failing.then(
    () => new Error('nothing failed'),
    (reason: unknown) => reason,
  );
  return error as NodeJS.ErrnoException;
}

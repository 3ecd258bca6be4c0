import type net from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { expect } from 'vitest';
import type { DetectionWindow } from '../../src/predict/predict.ts';
import { getTcpInfo } from '../../src/sockets/get.ts';

/** The kernel tells its times in jiffies, of 10 ms at the most. */
const JIFFY = 10;

/** How much later than the kernel Node may tell the time: an event loop that others keep busy. */
const LATENESS = 400;

/**
 * Waits until each of these has had its data acknowledged. One that goes dark before sends it again and
 * again, and the other end hears it.
 */
export async function acknowledged(sockets: Iterable<net.Socket>): Promise<void> {
  for (const socket of sockets) while (getTcpInfo(socket).unacked > 0) await setImmediate();
}

/** When the last byte or ACK came from the peer, on `performance.now()`'s clock. */
export function lastHeard(socket: net.Socket): number {
  const { lastAckReceived, lastDataReceived } = getTcpInfo(socket);
  return performance.now() - Math.min(lastAckReceived, lastDataReceived);
}

/** Expects that what began at `since` has ended just now, as predicted. */
export function expectDetected({ earliest, latest }: DetectionWindow, since: number): void {
  const elapsed = performance.now() - since;
  expect(elapsed).toBeGreaterThanOrEqual(earliest - JIFFY);
  expect(elapsed).toBeLessThanOrEqual(latest + LATENESS);
}

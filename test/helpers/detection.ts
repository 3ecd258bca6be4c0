import assert from 'node:assert/strict';
import type net from 'node:net';
import { setImmediate } from 'node:timers/promises';
import type { DetectionWindow } from '../../src/predict/predict.ts';
import { getTcpInfo } from '../../src/sockets/get.ts';

/** The precision of the kernel's times, which are in jiffies of at most 10 ms. */
const JIFFY = 10;

/** The most by which a running process notices an event later than the kernel. */
const LATENESS = 400;

/** The time between two checks of the event loop, in milliseconds. */
const TURN = 10;

interface Stall {
  readonly from: number;
  readonly to: number;
}

// The times in which this process did not get a processor, as its own timer shows by coming late. A test must
// not count them as delays of the kernel.
const stalls: Stall[] = [];
// Captured now, so that a test's fake timers cannot change it.
const clock = performance.now.bind(performance);
let lastTurn = clock();
setInterval(noteTurn, TURN).unref();

function noteTurn(): void {
  const now = clock();
  if (now - lastTurn > 2 * TURN) stalls.push({ from: lastTurn + TURN, to: now });
  lastTurn = now;
}

/** The part of a time that has passed in which this process did not run. */
export function stalledBetween(begin: number, end: number): number {
  noteTurn();
  const within = ({ from, to }: Stall) => Math.max(0, Math.min(to, end) - Math.max(from, begin));
  return stalls.reduce((sum, stall) => sum + within(stall), 0);
}

/**
 * Waits until the data of each socket is acknowledged. One that goes dark before that would send it again,
 * and the other end would receive it.
 */
export async function acknowledged(sockets: Iterable<net.Socket>): Promise<void> {
  for (const socket of sockets) while (getTcpInfo(socket).unacked > 0) await setImmediate();
}

/** When the last byte or ACK came from the peer, on `performance.now()`'s clock. */
export function lastHeard(socket: net.Socket): number {
  for (;;) {
    const before = performance.now();
    const { lastAckReceived, lastDataReceived } = getTcpInfo(socket);
    // Otherwise the process had to wait for a processor in between, and the two do not go together.
    if (performance.now() - before < 1) return before - Math.min(lastAckReceived, lastDataReceived);
  }
}

/** Expects that what began at one moment has ended at another, or just now, as predicted. */
export function expectDetected(
  { earliest, latest }: DetectionWindow,
  since: number,
  ended: number = performance.now(),
): void {
  const elapsed = ended - since;
  assert.ok(elapsed >= earliest - JIFFY, `It ended after ${elapsed} ms, and not after ${earliest} or more`);
  const stalled = stalledBetween(since, ended);
  assert.ok(
    elapsed <= latest + stalled + LATENESS,
    `It ended after ${elapsed} ms, of which this process did not run for ${stalled}, and not within ${latest}`,
  );
}

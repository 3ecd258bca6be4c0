import type net from 'node:net';
import { readableDescriptor, readTcpInfo } from '#core';

// Captured now, so that a test's fake timers cannot stop it.
const { setTimeout } = globalThis;

/** How often the kernel is asked, in milliseconds. */
const STEP = 2;

/**
 * Waits until the peer of each socket has acknowledged what was sent to it. A socket that becomes deaf before that
 * sends it again, and its peer hears it.
 *
 * @param limit - the longest wait, in milliseconds: a peer that has vanished acknowledges nothing any more
 */
export async function acknowledged(sockets: Iterable<net.Socket>, limit: number = Infinity): Promise<void> {
  const end = performance.now() + limit;
  for (const socket of sockets) {
    while (isAwaited(socket) && performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, STEP));
    }
  }
}

function isAwaited(socket: net.Socket): boolean {
  return !socket.destroyed && readTcpInfo(readableDescriptor(socket)).unacked > 0;
}

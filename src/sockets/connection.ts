import type net from 'node:net';
import { type AppliedKeepAlive, hasTable, obstacleToCalls } from '../kernel/calls.ts';
import { correctSettings, writeSettings } from '../kernel/settings.ts';
import { isUnsupported } from '../options/errors.ts';
import type { KeepAliveSettings } from '../options/options.ts';
import { connectedDescriptor, handleDescriptor, NO_DESCRIPTOR, type TcpHandle } from './handle.ts';
import type { Way } from './hold-record.ts';
import { setWithNode } from './node-way.ts';
import { warnOfNodeFallback } from './report.ts';

// This file alone decides whether a connection is reached through the kernel or through Node.

/**
 * Writes settings to a connected socket, on whichever way reaches it.
 *
 * @param strict - throw for what cannot be set there, instead of naming it in `skipped`
 * @throws whatever tells that the socket is not connected or not TCP, that koffi cannot be loaded, or
 *   that a system call failed
 */
export function write(socket: net.Socket, settings: KeepAliveSettings, strict: boolean): AppliedKeepAlive {
  const fd = connectedDescriptor(socket);
  return fd === NO_DESCRIPTOR || !hasTable
    ? setWithNode(socket, settings, strict)
    : writeSettings(fd, settings, strict);
}

/**
 * Writes those settings that differ to a connected socket. Without koffi this warns, and calls Node.
 *
 * @param before - the way on which this connection got these settings already. Node cannot read them
 *   back, and so is not called again.
 * @returns the way that was taken
 * @throws whatever tells that the socket is not connected or not TCP, or that a system call failed
 */
export function correct(socket: net.Socket, settings: KeepAliveSettings, before?: Way): Way {
  const fd = connectedDescriptor(socket);
  if (throughKernel(fd, () => correctSettings(fd, settings))) return 'kernel';
  if (before !== 'node') setWithNode(socket, settings, false);
  return 'node';
}

/** Writes those settings that differ to a connection known by its handle alone, unless that is closed. */
export function correctHandle(handle: TcpHandle, settings: KeepAliveSettings): void {
  const fd = handleDescriptor(handle);
  throughKernel(fd, () => correctSettings(fd, settings));
}

/**
 * Runs what makes system calls on a descriptor.
 *
 * @returns whether they could be made. Without a descriptor, this system's table, or koffi, of which
 *   this warns, Node's own call is left.
 */
export function throughKernel(fd: number, work: () => void): boolean {
  if (fd === NO_DESCRIPTOR || !hasTable) return false;
  try {
    work();
    return true;
  } catch (error) {
    if (!isUnsupported(error)) throw error;
    warnOfNodeFallback(error);
    return false;
  }
}

/** Why no connection is reached through the kernel here; `undefined` if they are. Loads koffi to find out. */
export function obstacleToKernel(): string | undefined {
  if (process.platform === 'win32') return 'Node gives no descriptor on Windows';
  if ('Deno' in globalThis) return 'Deno gives no descriptor';
  return obstacleToCalls();
}

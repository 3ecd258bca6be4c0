import type net from 'node:net';
import { type AppliedKeepAlive, hasTable, obstacleToCalls, withSkipped } from '../kernel/calls.ts';
import { correctSettings, mayBeChanged, writeSettings } from '../kernel/settings.ts';
import { isUnsupported } from '../options/errors.ts';
import { type KeepAliveSettings, type OptionName, optionNames } from '../options/options.ts';
import { obstacleToFinding } from './descriptor.ts';
import {
  attemptDescriptor,
  connectedDescriptor,
  handleDescriptor,
  NO_DESCRIPTOR,
  type TcpHandle,
} from './handle.ts';
import { type MarkedHandle, markedHandle, PENDING, type Way } from './hold-record.ts';
import { isLeftToNode, setWithNode } from './node-way.ts';
import { type OnError, tellOfLoss, warnOfNodeFallback } from './report.ts';
import { dueNow, mayBeSilent, writeToSilent } from './silence.ts';

const NO_SUCH_OPTION = `this connection has no such option on ${process.platform}`;

// This file alone decides whether a connection is reached through the kernel or through Node.

/**
 * Writes settings to a connected socket, through the kernel if possible, else through Node.
 *
 * @param strict - whether to throw if an option cannot be set, instead of naming it in `skipped`
 * @throws an error if the socket is not connected or not TCP, if koffi cannot be loaded, or if a system call
 *   fails
 */
export function write(socket: net.Socket, settings: KeepAliveSettings, strict: boolean): AppliedKeepAlive {
  const fd = connectedDescriptor(socket);
  if (isUnreachable(fd)) return setWithNode(socket, settings, strict);
  const handle = markedHandle(socket);
  const applied = mayBeSilent(handle, settings)
    ? writeCarefully(handle, fd, settings, strict)
    : writeSettings(fd, settings, strict);
  return applied.skipped?.some(isLeftToNode) ? completeWithNode(socket, settings, applied) : applied;
}

/** Sets through Node what the system's call did not set. */
function completeWithNode(
  socket: net.Socket,
  settings: KeepAliveSettings,
  { skipped: refused = [], ...written }: AppliedKeepAlive,
): AppliedKeepAlive {
  const { skipped = [], ...byNode } = setWithNode(socket, settings, false);
  const stillSkipped = optionNames.filter((option) => refused.includes(option) && skipped.includes(option));
  return withSkipped({ ...byNode, ...written }, stillSkipped);
}

function writeCarefully(
  handle: MarkedHandle,
  fd: number,
  settings: KeepAliveSettings,
  strict: boolean,
): AppliedKeepAlive {
  const applied = writeToSilent(handle, fd, settings, (due) => writeSettings(fd, due, strict));
  if (handle[PENDING] === undefined) return applied;
  const { userTimeout: _pending, ...written } = applied;
  return Object.freeze({ ...written, pending: Object.freeze(['userTimeout'] as const) });
}

/**
 * Writes those settings that differ to a connected socket. Without koffi it warns, and calls Node.
 *
 * @param onError - called if the connection gets less than was asked for
 * @returns the way that was taken
 * @throws an error if the socket is not connected or not TCP, or if a system call fails
 */
export function correct(socket: net.Socket, settings: KeepAliveSettings, onError?: OnError): Way {
  const fd = connectedDescriptor(socket);
  const due = dueNow(markedHandle(socket), settings);
  let lacking: readonly OptionName[] = [];
  const work = () => {
    lacking = correctSettings(fd, due).lacking;
  };
  if (!throughKernel(fd, work)) {
    const { skipped = [] } = setWithNode(socket, settings, false);
    // Without koffi a warning has reported it already.
    if (isUnreachable(fd)) tellOfLoss(skipped, settings, reasonOf(), onError);
    return 'node';
  }
  const isLeft = lacking.some(isLeftToNode);
  if (isLeft) lacking = completeWithNode(socket, due, { skipped: lacking }).skipped ?? [];
  tellOfLoss(lacking, settings, NO_SUCH_OPTION, onError);
  return isLeft ? 'node' : 'kernel';
}

function reasonOf(): string {
  return obstacleToKernel() ?? 'this runtime shows no descriptor of the connection';
}

/**
 * Writes those settings that differ to a connection that got them a moment ago through the kernel.
 *
 * @returns whether any did
 */
export function correctAgain(socket: net.Socket, settings: KeepAliveSettings): boolean {
  const fd = connectedDescriptor(socket);
  const due = dueNow(markedHandle(socket), settings);
  let isCorrected = false;
  throughKernel(fd, () => {
    isCorrected = mayBeChanged(fd, due) && correctSettings(fd, due).isChanged;
  });
  return isCorrected;
}

/** The same for a connection that may have been silent before. */
export function correctOld(socket: net.Socket, settings: KeepAliveSettings, onError?: OnError): Way {
  const fd = connectedDescriptor(socket);
  const handle = markedHandle(socket);
  if (!mayBeSilent(handle, settings)) return correct(socket, settings, onError);
  let lacking: readonly OptionName[] = [];
  const work = () => {
    lacking = writeToSilent(handle, fd, settings, (due, current) =>
      // No probe is unanswered on a connection that was heard just now: nothing has to be read before.
      current === undefined
        ? (writeSettings(fd, due, false).skipped ?? [])
        : correctSettings(fd, due, current).lacking,
    );
  };
  if (!throughKernel(fd, work)) return correct(socket, settings, onError);
  tellOfLoss(lacking, settings, NO_SUCH_OPTION, onError);
  return 'kernel';
}

/**
 * Writes settings to a socket that is still connecting. Linux then ends the attempt after the user timeout. Node's own
 * call would bound nothing yet, and waits for `'connect'`.
 *
 * @returns whether they were written: not if the kernel has no socket for the attempt yet, or without koffi
 * @throws an error if a system call fails
 */
export function writeToAttempt(socket: net.Socket, settings: KeepAliveSettings): boolean {
  const fd = attemptDescriptor(socket);
  return throughKernel(fd, () => void writeSettings(fd, settings, false));
}

/**
 * Writes those settings that differ to the connection of a handle, unless the handle is closed.
 *
 * @returns whether any did
 */
export function correctHandle(handle: TcpHandle, settings: KeepAliveSettings): boolean {
  const fd = handleDescriptor(handle);
  let isCorrected = false;
  throughKernel(fd, () => {
    isCorrected = correctSettings(fd, dueNow(handle, settings)).isChanged;
  });
  return isCorrected;
}

/**
 * Runs work that makes system calls on a descriptor.
 *
 * @returns whether they could be made. Without a descriptor, an option table or koffi, for which it warns,
 *   only Node's own call can be used.
 */
export function throughKernel(fd: number, work: () => void): boolean {
  if (isUnreachable(fd)) return false;
  try {
    work();
    return true;
  } catch (error) {
    if (!isUnsupported(error)) throw error;
    warnOfNodeFallback(error);
    return false;
  }
}

function isUnreachable(fd: number): boolean {
  return fd === NO_DESCRIPTOR || !hasTable;
}

/** The reason why no connection is reached through the kernel here, or `undefined`. This loads koffi. */
export function obstacleToKernel(): string | undefined {
  return obstacleToCalls() ?? obstacleToFinding();
}

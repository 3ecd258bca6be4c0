import type net from 'node:net';
import { readSettings } from '../kernel/settings.ts';
import { hasTcpInfo, type LinuxTcpInfo, readTcpInfo } from '../kernel/tcp-info.ts';
import type { KeepAliveSettings } from '../options/options.ts';
import { handleDescriptor } from './handle.ts';
import type { MarkedHandle } from './hold-record.ts';
import { type KeepAlivePeer, peerOf } from './peer.ts';

/** The state in which a connection is lost, by the names of a `Detection`. */
export type LossState = 'idle' | 'unacknowledged' | 'zeroWindow' | 'connecting';

/**
 * By what a connection is lost: unanswered probes, `userTimeout`, retransmissions of data or of a SYN, an ICMP error, or
 * this library, which gave it up before the kernel did.
 */
export type LossTimer = 'keepalive' | 'userTimeout' | 'retransmission' | 'icmp' | 'reaper';

/** How a connection was lost, as the kernel reports it: all but the peer and the error on Linux only. */
export interface Loss {
  readonly peer: KeepAlivePeer;
  /** The error with which the socket ends. */
  readonly error: Error;
  /** How long nothing had been heard of the peer, in milliseconds. Absent if it never answered. */
  readonly silence?: number;
  readonly state?: LossState;
  readonly timer?: LossTimer;
}

/** The kernel's errors for a peer that does not answer, or that no path leads to. */
const LOST: readonly unknown[] = ['ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'ENETDOWN'];

/** How a connection was lost, unless it ended in another way. Call it before the handle is closed. */
export function lossOf(socket: net.Socket, handle: MarkedHandle, error: Error): Loss | undefined {
  const cause = lastOf(error);
  // The timeouts of drivers have the same code, and no number.
  if (!isOfLoss(cause) || typeof cause.errno !== 'number') return undefined;
  return { peer: peerOf(socket, handle), error, ...toldByKernel(handle, cause) };
}

/** With `failOnUnreachable`, the report of a firewall that rejects packets ends an open connection as refused. */
function isOfLoss({ code, syscall }: NodeJS.ErrnoException): boolean {
  return LOST.includes(code) || (code === 'ECONNREFUSED' && syscall !== 'connect');
}

function toldByKernel(handle: MarkedHandle, error: NodeJS.ErrnoException): Partial<Loss> {
  if (!hasTcpInfo) return {};
  try {
    const fd = handleDescriptor(handle);
    const info = readTcpInfo(fd);
    const isConnecting = error.syscall === 'connect';
    const state = isConnecting ? 'connecting' : stateOf(info);
    const timer = timerOf(info, error, state, readSettings(fd));
    return isConnecting ? { state, timer } : { state, timer, silence: silenceOf(info) };
  } catch {
    // Without koffi, or with a handle that is closed, a loss is still one.
    return {};
  }
}

/** If several addresses were tried, the error has one for each. */
function lastOf(error: Error): NodeJS.ErrnoException {
  return error instanceof AggregateError ? (error.errors.at(-1) ?? error) : error;
}

/** How long nothing has been heard of the peer, in milliseconds. */
export function silenceOf({ lastDataReceived, lastAckReceived }: LinuxTcpInfo): number {
  return Math.min(lastDataReceived, lastAckReceived);
}

/** The state of a connection. One that is lost has nothing in flight any more, but its counters stay. */
export function stateOf({
  retransmits,
  unacked,
  sendWindow,
  notSentBytes,
}: LinuxTcpInfo): Exclude<LossState, 'connecting'> {
  if (sendWindow === 0 && notSentBytes !== 0) return 'zeroWindow';
  return retransmits > 0 || unacked > 0 ? 'unacknowledged' : 'idle';
}

function timerOf(
  { state: ofTcp }: LinuxTcpInfo,
  { code }: NodeJS.ErrnoException,
  state: LossState,
  { userTimeout }: KeepAliveSettings,
): LossTimer {
  if (ofTcp !== 'CLOSE') return code === 'ETIMEDOUT' ? 'reaper' : 'icmp';
  // With a user timeout, Linux ignores the number of probes and of retransmissions.
  if (userTimeout) return 'userTimeout';
  return state === 'idle' ? 'keepalive' : 'retransmission';
}

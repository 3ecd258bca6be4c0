import diagnostics from 'node:diagnostics_channel';
import type net from 'node:net';
import { readSettings } from '../kernel/settings.ts';
import { type KeepAliveSettings, type OptionName, optionNames } from '../options/options.ts';
import { handleDescriptor } from './handle.ts';
import {
  EXPLICIT,
  type Hold,
  type HoldRequest,
  holderOf,
  type KeepAliveHolder,
  type MarkedHandle,
  markedHandle,
  ranks,
} from './hold-record.ts';
import type { Loss } from './loss.ts';
import { optionsTaken } from './node-way.ts';
import { rememberPeer } from './peer.ts';

// Every diagnostics channel of this library. Their names are public, and several copies of it publish to the same.
// Nothing is put together unless somebody listens.

/** The fields of every message. */
interface AboutConnection {
  readonly socket: net.Socket;
  /** Who asked for the options. */
  readonly by: KeepAliveHolder;
  /** The options that were asked for, checked and rounded, in milliseconds. */
  readonly options: KeepAliveSettings;
}

/** A message of `tcp-keepalive:set`: options were written to a connection. */
export interface KeepAliveSetMessage extends AboutConnection {
  /** Whether they are held from now on. */
  readonly held: boolean;
}

/**
 * A message of `tcp-keepalive:restored`: somebody called Node's own `setKeepAlive`, or wrote past it, and the hold has
 * kept its options.
 */
export interface KeepAliveRestoredMessage extends AboutConnection {
  /** Whether the other values reached the kernel, so that the hold wrote its own again. */
  readonly reached: boolean;
}

/** A message of `tcp-keepalive:skipped`: a connection has to do without options that were asked for. */
export interface KeepAliveSkippedMessage extends AboutConnection {
  /** The names of these options. */
  readonly skipped: readonly OptionName[];
  /** Why: absent if this platform, this connection or Node's own call lacks the options. */
  readonly error?: Error;
}

/** A message of `tcp-keepalive:lost`: the peer of a connection no longer answered, and the connection has ended. */
export interface KeepAliveLostMessage extends AboutConnection, Loss {}

const set = diagnostics.channel('tcp-keepalive:set');
const restored = diagnostics.channel('tcp-keepalive:restored');
const skipped = diagnostics.channel('tcp-keepalive:skipped');
const lost = diagnostics.channel('tcp-keepalive:lost');

/** Whether somebody wants to know of lost connections. */
export function isLossHeard(): boolean {
  return lost.hasSubscribers;
}

/** Announces options that were written to a connection, which is held from now on or has a hold's form only. */
export function announceHeld(socket: net.Socket, hold: Hold, held = true): void {
  if (lost.hasSubscribers) rememberPeer(socket);
  if (!set.hasSubscribers && !skipped.hasSubscribers) return;
  const { settings } = hold;
  if (settings === undefined) return;
  announceSet(socket, settings, lackedBy(socket, settings), holderOf(hold), held);
}

/** Announces options that `setKeepAlive` has written. */
export function announceExplicit(
  socket: net.Socket,
  options: KeepAliveSettings,
  lacked: readonly OptionName[] | undefined,
): void {
  if (!set.hasSubscribers && !skipped.hasSubscribers) return;
  announceSet(socket, options, lacked ?? [], { rank: ranks[EXPLICIT], name: 'setKeepAlive' }, false);
}

function announceSet(
  socket: net.Socket,
  options: KeepAliveSettings,
  lacked: readonly OptionName[],
  by: KeepAliveHolder,
  held: boolean,
): void {
  set.publish({ socket, by, options, held } satisfies KeepAliveSetMessage);
  if (lacked.length > 0) {
    skipped.publish({ socket, by, options, skipped: lacked } satisfies KeepAliveSkippedMessage);
  }
}

/** Announces that the options of a hold could not be set. */
export function announceFailure(socket: net.Socket, hold: HoldRequest, error: unknown): void {
  const { settings: options } = hold;
  if (!skipped.hasSubscribers || options === undefined || !(error instanceof Error)) return;
  const { applied = [] } = error as { applied?: readonly OptionName[] };
  const left = optionNames.filter((name) => options[name] !== undefined && !applied.includes(name));
  const message = { socket, by: holderOf(hold), options, skipped: left, error };
  skipped.publish(message satisfies KeepAliveSkippedMessage);
}

/** Announces that a hold has kept its options. */
export function announceRestored(
  socket: net.Socket | undefined,
  hold: Hold,
  options: KeepAliveSettings,
  reached: boolean,
): void {
  if (socket === undefined) return;
  restored.publish({ socket, by: holderOf(hold), options, reached } satisfies KeepAliveRestoredMessage);
}

/** Announces the end of a connection, if it was a loss. */
export function announceLoss(socket: net.Socket, hold: Hold, find: () => Loss | undefined): void {
  const { settings: options } = hold;
  const loss = lost.hasSubscribers ? find() : undefined;
  if (loss === undefined || options === undefined) return;
  lost.publish({ socket, by: holderOf(hold), options, ...loss } satisfies KeepAliveLostMessage);
}

/** The options that a connection does not have after they were written. */
function lackedBy(socket: net.Socket, settings: KeepAliveSettings): readonly OptionName[] {
  const asked = optionNames.filter((name) => settings[name] !== undefined);
  try {
    const present = readSettings(handleDescriptor(markedHandle(socket) as MarkedHandle));
    return asked.filter((name) => present[name] === undefined);
  } catch {
    // Nothing can be read here, and so Node's own call has set what it can.
    const taken = optionsTaken(settings);
    return asked.filter((name) => !taken.includes(name));
  }
}

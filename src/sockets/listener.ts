import type net from 'node:net';
import { correctSettings, readSettings, writeSettings } from '../kernel/settings.ts';
import { acceptQueueLength, hasTcpInfo } from '../kernel/tcp-info.ts';
import { isNotTcp } from '../options/errors.ts';
import type { KeepAliveSettings } from '../options/options.ts';
import { throughKernel } from './connection.ts';
import { isSharedListener, listenerDescriptor, listenerHandle, NO_DESCRIPTOR } from './handle.ts';
import { type OnError, report } from './report.ts';

/** A listening socket, as far as its connections inherit from it. */
export interface Listener {
  /** How many of the next connections do not inherit and must be set one by one. */
  oneByOne: number;
}

/** A listening socket that rules have changed and will restore. */
export interface ChangedListener extends Listener {
  readonly handle: object | undefined;
  /** The options of the listening socket before and after the change. */
  readonly changed: { readonly before: KeepAliveSettings; readonly after: KeepAliveSettings } | undefined;
}

/** A value of `oneByOne`: none of the connections inherits. */
export const ALL: number = Number.POSITIVE_INFINITY;

/** Counts an accepted connection, and returns whether it inherited its options. */
export function nextInherits(listener: Listener): boolean {
  if (listener.oneByOne === 0) return true;
  listener.oneByOne -= 1;
  return false;
}

/**
 * Sets a listening socket, from which accepted connections inherit on Linux.
 *
 * @param onError - called with an error of the kernel; a Unix listener is skipped without one, because its
 *   clients cannot vanish
 * @returns how many of the next connections do not inherit: those in the accept queue, or all
 */
export function setListener(
  server: net.Server,
  settings: KeepAliveSettings,
  onError: OnError | undefined,
): number {
  return reach(server, onError, (fd) => writeSettings(fd, settings, false));
}

/** Sets a listening socket until {@link putBack}. Equal options are not written again. */
export function changeListener(server: net.Server, settings: KeepAliveSettings): ChangedListener {
  const handle = listenerHandle(server);
  // A shared listener would be set and restored for the other workers of the cluster too.
  if (isSharedListener(server)) return { oneByOne: ALL, handle, changed: undefined };
  let changed: ChangedListener['changed'];
  const oneByOne = reach(server, undefined, (fd) => {
    const before = readSettings(fd);
    correctSettings(fd, settings);
    changed = { before, after: readSettings(fd) };
  });
  return { oneByOne, handle, changed };
}

/**
 * Undoes {@link changeListener}, unless other code has written to the listening socket since.
 *
 * @param kept - the settings of a later `keepAliveServer`, which stay
 */
export function putBack(
  server: net.Server,
  { handle, changed }: ChangedListener,
  kept: KeepAliveSettings | undefined,
): void {
  const fd = listenerDescriptor(server);
  if (changed === undefined || fd === NO_DESCRIPTOR || handle !== listenerHandle(server)) return;
  const { before, after } = changed;
  if (kept !== undefined) correctSettings(fd, { ...before, ...kept });
  else if (JSON.stringify(readSettings(fd)) === JSON.stringify(after)) correctSettings(fd, before);
}

function reach(server: net.Server, onError: OnError | undefined, work: (fd: number) => void): number {
  // Other systems do not show how many connections are in the accept queue.
  if (!hasTcpInfo || overwritesOptions(server)) return ALL;
  const fd = listenerDescriptor(server);
  let oneByOne = ALL;
  try {
    throughKernel(fd, () => {
      work(fd);
      oneByOne = acceptQueueLength(fd);
    });
    return oneByOne;
  } catch (error) {
    if (!isNotTcp(error)) report(error, onError);
    return 0;
  }
}

/** Whether Node writes the server's own `keepAlive` option over the inherited ones. */
function overwritesOptions(server: net.Server): boolean {
  return (server as { keepAlive?: unknown }).keepAlive === true;
}

/** Whether a value is a server. Its class does not show that: Bun's `http` has another one. */
export function isServer(value: unknown): value is net.Server {
  const { address, prependListener, listening } = (value ?? {}) as Partial<net.Server>;
  // The last is what a server of ssh2 lacks, which is no net.Server.
  return (
    typeof address === 'function' && typeof prependListener === 'function' && typeof listening === 'boolean'
  );
}

import { setImmediate, setTimeout } from 'node:timers/promises';
import {
  correctSettings,
  mustWait,
  parseKeepAliveOptions,
  readSettings,
  writeSettings,
  writeWithCare,
} from '#core';
import type { Pending } from '../kernel/silence.ts';
import { isDestroyed } from '../options/errors.ts';
import { anything, type Field, readFields } from '../options/fields.ts';
import {
  isReadBack,
  type KeepAliveInput,
  type KeepAliveSettings,
  type OptionName,
  optionNames,
} from '../options/options.ts';
import { type OwnedConnection, withBorrowed } from './borrowed.ts';
import { mayBeHeld, mayHold } from './held.ts';
import { type Connection, type ConnectionFilter, listConnections } from './list.ts';
import { identify, type ProcessIdentity } from './process.ts';

/** Which connections of a process are meant. Without any field it is all but listeners. */
export type ProcessFilter = Pick<ConnectionFilter, 'local' | 'remote' | 'state'>;

/** A connection of another process, and what was done to it. */
export interface ProcessChange {
  /** The connection as it was listed. */
  readonly connection: Connection;
  /** Its options before. */
  readonly before: KeepAliveSettings;
  /** Its options after it, as they were read back. */
  readonly after: KeepAliveSettings;
  /** Requested options that this connection, or this kernel, does not have. */
  readonly skipped: readonly OptionName[];
  /**
   * Whether that process may hold options on this connection by this library, and then writes its own back when the
   * program sets options again. Nothing outside of a process shows this for certain.
   */
  readonly mayBeWrittenBack: boolean;
  /** Why it was not changed, or not wholly: the process has closed it, or the kernel refused. */
  readonly error?: Error;
}

/** A change that waits for its peer to be heard. */
export interface UnfinishedChange extends ProcessChange {
  readonly pending?: Pending & { readonly since: number };
}

/** How many connections are read or written before other code may run, and how often silent peers are looked at, in ms. */
const STEP = 256;
const LOOK = 250;

const given = anything as Field<never>;
const filterFields = { local: given, remote: given, state: given };

/**
 * Sets options on the open connections of another process, in whatever language it is written. It needs to run as the same
 * user or as root, and nothing in that process notices. Linux only, since 5.6.
 *
 * Each connection is read before it is written, and only what differs is written, through a duplicate of the socket that
 * is closed at once. Connections that the process opens later are not touched; with `state: 'LISTEN'` they inherit from
 * the listener.
 *
 * If a peer was silent for longer than `initialDelay`, one lost probe would end it: `userTimeout` is then written once it
 * has been heard, or after `interval * count`, and this function waits for that.
 *
 * @param pid - the id of the process
 * @param filter - which of its connections
 * @param options - a preset's name, or options in milliseconds
 * @returns what was done, connection by connection; one that was closed meanwhile has an `error`
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`, `ERR_KEEPALIVE_UNSUPPORTED`, or an error with the code `ESRCH`, `EPERM`, `EACCES`
 *   or `ENOSYS` that says what to do; nothing was changed then
 *
 * @example
 * ```ts
 * for (const { connection, before, after } of await applyToProcess(4711, { remote: ':5432' }, 'database')) {
 *   console.log(connection.remote.address, before.initialDelay, after.initialDelay);
 * }
 * ```
 */
export async function applyToProcess(
  pid: number,
  filter: ProcessFilter,
  options: KeepAliveInput,
): Promise<ProcessChange[]> {
  const settings = parseKeepAliveOptions(options);
  const checked = parseProcessFilter(filter);
  const process = identify(pid);
  const planned = await planChanges(process, checked, settings);
  return finish(process, await writeChanges(process, planned, settings));
}

/** @throws `ERR_KEEPALIVE_INVALID_OPTION` */
export function parseProcessFilter(filter: ProcessFilter): ProcessFilter {
  return readFields('a filter such as { remote: 5432 }', filter, filterFields);
}

/** Lists the connections of a process with their options. Those that are closed meanwhile are left out. */
export async function connectionsOf(
  process: ProcessIdentity,
  filter: ProcessFilter,
): Promise<(OwnedConnection & { readonly options: KeepAliveSettings })[]> {
  const listed = await listConnections({ ...filter, pid: process.pid, options: false });
  const connections = [];
  for (const [i, each] of listed.entries()) {
    if (i % STEP === STEP - 1) await setImmediate();
    const connection = each as OwnedConnection;
    try {
      connections.push({ ...connection, options: withBorrowed(process, connection, readSettings) });
    } catch (error) {
      if (!isDestroyed(error)) throw error;
    }
  }
  return connections;
}

/** Plans what would be done. Nothing is written. */
export async function planChanges(
  process: ProcessIdentity,
  filter: ProcessFilter,
  settings: KeepAliveSettings,
): Promise<ProcessChange[]> {
  const connections = await connectionsOf(process, filter);
  const holds = connections.length > 0 && mayHold(process.pid);
  return connections.map((connection) => {
    const before = connection.options;
    const asked = optionNames.filter((name) => settings[name] !== undefined);
    const available = asked.filter((name) => before[name] !== undefined);
    const values = available.map((name) => [name, settings[name]]);
    return {
      connection,
      before,
      after: { ...before, ...Object.fromEntries(values) },
      skipped: asked.filter((name) => before[name] === undefined),
      mayBeWrittenBack: holds && mayBeHeld(before),
    };
  });
}

/** Whether a change changes anything. */
export function differs({ before, after }: ProcessChange): boolean {
  return optionNames.some((name) => {
    const [was, is] = [before[name], after[name]];
    return was !== undefined && is !== undefined && !isReadBack(name, is, was);
  });
}

/** Writes what was planned, as far as it still differs. */
export async function writeChanges(
  process: ProcessIdentity,
  planned: readonly ProcessChange[],
  settings: KeepAliveSettings,
): Promise<UnfinishedChange[]> {
  const written: UnfinishedChange[] = [];
  for (const [i, change] of planned.entries()) {
    if (i % STEP === STEP - 1) await setImmediate();
    written.push(writeChange(process, change, settings));
  }
  return written;
}

function writeChange(
  process: ProcessIdentity,
  change: ProcessChange,
  settings: KeepAliveSettings,
): UnfinishedChange {
  return changed(process, { ...change, after: change.before }, (fd) => {
    const { pending } = writeWithCare(fd, settings, (due, current) => correctSettings(fd, due, current));
    return pending && { ...pending, since: performance.now() };
  });
}

/** Writes the user timeouts that wait, once they may be written. */
export async function finish(
  process: ProcessIdentity,
  changes: readonly UnfinishedChange[],
): Promise<ProcessChange[]> {
  const finished = changes.map((change) => finishIfHeard(process, change));
  if (!finished.some(({ pending }) => pending)) return finished;
  await setTimeout(LOOK);
  return finish(process, finished);
}

/** Writes a user timeout that waits, if its peer has been heard or was silent for too long. */
export function finishIfHeard(process: ProcessIdentity, change: UnfinishedChange): UnfinishedChange {
  const { pending } = change;
  if (pending === undefined) return change;
  return changed(process, change, (fd) => {
    if (mustWait(fd, pending, performance.now() - pending.since)) return pending;
    writeSettings(fd, pending.settings, false);
    return undefined;
  });
}

/** The change after a write, with what can be read of the connection then. */
function changed(
  process: ProcessIdentity,
  { pending: _, ...change }: UnfinishedChange,
  write: (fd: number) => UnfinishedChange['pending'],
): UnfinishedChange {
  let { after } = change;
  try {
    const pending = withBorrowed(process, change.connection as OwnedConnection, (fd) => {
      try {
        return write(fd);
      } finally {
        after = readSettings(fd);
      }
    });
    return { ...change, after, ...(pending && { pending }) };
  } catch (error) {
    return { ...change, after, error: error as Error };
  }
}

import { readlinkSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { keepAliveError, readHearing, readTcpInfo, setDeaf, setHearing } from '#core';
import type { Hearing } from '../kernel/deaf.ts';
import type { TcpState } from '../kernel/tcp-info.ts';
import { isDestroyed } from '../options/errors.ts';
import {
  aFunction,
  anything,
  type Field,
  optional,
  otherwise,
  readFields,
  within,
} from '../options/fields.ts';
import type { KeepAliveSettings } from '../options/options.ts';
import type { DetectionSystem, DetectionWindow } from '../predict/predict.ts';
import { connectionsOf } from './apply.ts';
import { type OwnedConnection, withBorrowed, withSocket } from './borrowed.ts';
import { type DrillWindows, isInFlight, windowsOf } from './drill-window.ts';
import { type Endpoint, parseEndpoint } from './endpoint.ts';
import { type Connection, type ConnectionFilter, type ConnectionTimer, listConnections } from './list.ts';
import { ownersOf } from './owner.ts';
import { identify, isRunning, type ProcessIdentity } from './process.ts';

/**
 * The end of a connection: the process closed it (`noticed`); the kernel gave it up, and the process has not closed
 * it, because it does not read (`notReading`); neither of both in time (`notNoticed`); the process itself ended.
 */
export type DrillVerdict = 'noticed' | 'notReading' | 'notNoticed' | 'processEnded';

/** A connection after a drill. Times are in milliseconds from the moment at which its peer vanished. */
export interface DrilledConnection {
  /** The end that vanished. */
  readonly remote: Endpoint;
  /** How it ended. */
  readonly verdict: DrillVerdict;
  /** When the process closed it. */
  readonly noticedAfter?: number;
  /** When the kernel gave it up, if the process did not close it then. */
  readonly gaveUpAfter?: number;
  /** When the kernel was to give it up; after the last write, if the process wrote into the silence. */
  readonly predicted: DetectionWindow;
}

/** The result of a drill. */
export interface DrillReport {
  /** Those that were made deaf, in the order in which they were shown. */
  readonly connections: readonly DrilledConnection[];
  /** After how long the process had a working connection to such a peer again, in milliseconds; `null` if it had none. */
  readonly recoveredAfter: number | null;
}

/** A connection while a drill runs. */
export interface ConnectionInDrill {
  /** The connection as it was before. */
  readonly connection: Connection;
  /** Unanswered keepalive probes, or requests for room. */
  readonly unansweredProbes: number;
  /** How often the oldest data in flight was sent again. */
  readonly retransmissions: number;
  /** The time since its peer vanished, in milliseconds. */
  readonly elapsed: number;
  /** The verdict as far as it is known. */
  readonly verdict: DrillVerdict;
  /** When the process closed it. */
  readonly noticedAfter?: number;
  /** When the kernel gave it up. */
  readonly gaveUpAfter?: number;
  /** When the kernel is to give it up. */
  readonly predicted: DetectionWindow;
}

/** How long a drill takes, and who hears of it. */
export interface DrillBehaviour {
  /** How long at most, in milliseconds. It ends sooner once every connection is closed. @default 60 000 */
  readonly for?: number | undefined;
  /** Ends it, and undoes it. */
  readonly signal?: AbortSignal | undefined;
  /** Called twenty times a second while it runs. */
  readonly onLook?: ((connections: readonly ConnectionInDrill[]) => void) | undefined;
}

/** How often is looked, in milliseconds. */
const LOOK = 50;

/** How long to wait for a new connection once all are closed, in milliseconds. */
const RECOVERY = 5_000;

/** A process that ends so soon after it has closed a connection has done so because it ended, in milliseconds. */
const ENDING = 500;

/** The states in which a connection can be lost, or is being closed. */
const unended: readonly TcpState[] = [
  'ESTABLISHED',
  'SYN_SENT',
  'FIN_WAIT1',
  'FIN_WAIT2',
  'CLOSE_WAIT',
  'LAST_ACK',
  'CLOSING',
];

const behaviourFields = {
  for: otherwise(within({ min: 1_000, max: 86_400_000, unit: 'milliseconds' }), 60_000),
  signal: optional(anything as Field<AbortSignal>),
  onLook: optional(aFunction<NonNullable<DrillBehaviour['onLook']>>),
};

const targetFields = { remote: anything as Field<number | string> };

/**
 * Lets the peer of another process's open connections vanish, in whatever language it is written, and reports when the
 * process notices. Its own sockets are made deaf (`IP_MINTTL`): what arrives for them is dropped, without an error, a reset
 * or a FIN. No root, firewall or second machine is needed; it runs as the same user. Linux only, since 5.6.
 *
 * **The process really loses these connections.** What it sends still arrives, so that a query runs and its result is
 * lost. The peer keeps locks and backends of these connections until its own timers end them. Connections that the
 * process opens meanwhile are not touched.
 *
 * What is not closed in the end is undone, also if this process ends by `process.exit()`, but not if it is killed: catch
 * its signals and give a `signal`. A drill of a second undoes what one that was killed has left.
 *
 * @param pid - the id of the process
 * @param filter - `remote`: which peers vanish, as a port, an address or a CIDR block: `5432`, `'10.0.0.0/8:5432'`
 * @param behaviour - how long it takes, and who hears of it
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`, `ERR_KEEPALIVE_UNSUPPORTED`, `ERR_KEEPALIVE_NOT_CONNECTED` if there is no such
 *   connection, or an error with the code `ESRCH`, `EPERM`, `EACCES` or `ENOSYS` that says what to do
 *
 * @example
 * ```ts
 * const { connections, recoveredAfter } = await drillProcess(4711, { remote: 5432 }, { for: 30_000 });
 * ```
 */
export async function drillProcess(
  pid: number,
  filter: { readonly remote: number | string },
  behaviour: DrillBehaviour = {},
): Promise<DrillReport> {
  const { remote } = readFields('a filter such as { remote: 5432 }', filter, targetFields);
  const checked = readFields('an object such as { for: 30_000 }', behaviour, behaviourFields);
  parseEndpoint(remote, 'remote');
  const drill = await Drill.prepare(identify(pid), remote);
  return drill.run(checked);
}

/** A connection that is made deaf. */
interface Subject {
  connection: OwnedConnection;
  readonly hearing: Hearing;
  readonly began: number;
  readonly windows: DrillWindows;
  predicted: DetectionWindow;
  isInFlight: boolean;
  isUndone: boolean;
  /** How the kernel lists it, and when it was asked. */
  row: Connection;
  seenAt: number;
  /** Since when the kernel does not list it, and in how many looks. A list that is long may lack one once. */
  missingSince: number;
  missing: number;
  noticedAfter?: number;
  gaveUpAfter?: number;
}

/** A drill of one process. */
export class Drill {
  readonly process: ProcessIdentity;
  /** The connections that will be made deaf, with their options. */
  readonly connections: readonly (OwnedConnection & { readonly options: KeepAliveSettings })[];
  readonly #filter: ConnectionFilter;
  readonly #system: DetectionSystem;
  readonly #subjects: Subject[] = [];
  /** Connections that are no new ones of this process. */
  readonly #known = new Set<number>();
  #began = 0;
  #endedAt: number | undefined;
  #recoveredAfter: number | null = null;

  private constructor(
    process: ProcessIdentity,
    connections: Drill['connections'],
    filter: ConnectionFilter,
    system: DetectionSystem,
  ) {
    this.process = process;
    this.connections = connections;
    this.#filter = filter;
    this.#system = system;
  }

  /** Finds the connections. Nothing is changed. */
  static async prepare(
    process: ProcessIdentity,
    remote: number | string,
    system: DetectionSystem = {},
  ): Promise<Drill> {
    const found = await connectionsOf(process, { remote, state: 'ESTABLISHED' });
    if (found.length > 0) return new Drill(process, found, { remote, state: unended }, system);
    throw noConnection(process, `to ${remote}: list all with npx tcp-keepalive sockets --pid ${process.pid}`);
  }

  /** When the loss of a connection that is to be made deaf would be noticed, if nothing happens on it meanwhile. */
  expect({ options, info, timer }: Drill['connections'][number]): DetectionWindow | undefined {
    return info && windowsOf(options, { info, timer }, this.#system).atFirst;
  }

  /** Makes them deaf, looks until all are closed or the time is over, and undoes it. */
  async run({ for: most, signal, onLook }: DrillBehaviour & { readonly for: number }): Promise<DrillReport> {
    // A process that exits runs nothing else any more.
    const undoAtExit = () => this.#undoHere();
    process.once('exit', undoAtExit);
    try {
      await this.#begin();
      while (!signal?.aborted && !this.#isOver(most)) {
        await setTimeout(LOOK);
        await this.#look();
        onLook?.(this.inDrill());
      }
    } finally {
      await this.#undo().finally(() => process.off('exit', undoAtExit));
    }
    const connections = this.#subjects.map((subject) => this.#reported(subject));
    return { connections, recoveredAfter: this.#recoveredAfter };
  }

  /** The connections, as they were seen last. */
  inDrill(): ConnectionInDrill[] {
    return this.#subjects.map((subject) => this.#shown(subject));
  }

  async #begin(): Promise<void> {
    const timers = new Map<number, ConnectionTimer | undefined>();
    for (const { cookie, timer } of await listConnections(this.#filter)) {
      this.#known.add(cookie);
      timers.set(cookie, timer);
    }
    this.#began = performance.now();
    for (const connection of this.connections) {
      try {
        const timer = timers.get(connection.cookie);
        this.#subjects.push(
          withBorrowed(this.process, connection, (fd) => this.#deafen(connection, timer, fd)),
        );
      } catch (error) {
        if (!isDestroyed(error)) throw error;
      }
    }
    if (this.#subjects.length > 0) return;
    throw noConnection(this.process, 'any more: it has closed each of them meanwhile');
  }

  #deafen(connection: Drill['connections'][number], timer: ConnectionTimer | undefined, fd: number): Subject {
    const info = readTcpInfo(fd);
    // One that is deaf already was left so by a drill that was killed.
    const hearing = readHearing(fd) ?? { ttl: 0, hops: 0 };
    setDeaf(fd, true);
    const windows = windowsOf(connection.options, { info, timer }, this.#system);
    const began = performance.now();
    return {
      ...{ connection, hearing, windows, began, row: connection, seenAt: began },
      predicted: windows.atFirst,
      isInFlight: isInFlight(info),
      ...{ isUndone: false, missing: 0, missingSince: 0 },
    };
  }

  #isOver(most: number): boolean {
    const elapsed = performance.now() - this.#began;
    if (elapsed >= most || this.#endedAt !== undefined) return true;
    const closed = this.#subjects.map(({ began, noticedAfter }) => began + (noticedAfter ?? Infinity));
    const wait = this.#recoveredAfter === null ? RECOVERY : ENDING;
    return performance.now() - Math.max(...closed) >= wait;
  }

  async #look(): Promise<void> {
    const before = performance.now();
    const rows = new Map((await listConnections(this.#filter)).map((row) => [row.cookie, row]));
    for (const subject of this.#open()) noteRow(subject, rows.get(subject.connection.cookie), before);
    await this.#findClosed();
    await this.#findNew([...rows.values()]);
    if (this.#endedAt === undefined && !isRunning(this.process)) this.#endedAt = performance.now();
  }

  #open(): Subject[] {
    return this.#subjects.filter(({ noticedAfter }) => noticedAfter === undefined);
  }

  async #findClosed(): Promise<void> {
    const suspects = this.#open().filter(({ connection }) => !isAtItsNumber(connection));
    if (suspects.length === 0) return;
    const now = performance.now();
    const owners = await this.#sockets();
    for (const subject of suspects) {
      const owner = owners?.get(subject.connection.inode);
      if (owner !== undefined) subject.connection = { ...subject.connection, owner };
      else if (owners !== undefined) subject.noticedAfter = now - subject.began;
    }
  }

  /** A new connection that the process has to such a peer. */
  async #findNew(rows: readonly Connection[]): Promise<void> {
    const isNew = ({ state, inode, cookie }: Connection) =>
      state === 'ESTABLISHED' && inode !== 0 && !this.#known.has(cookie);
    const found = this.#recoveredAfter === null ? rows.filter(isNew) : [];
    if (found.length === 0) return;
    const now = performance.now();
    const owners = await this.#sockets();
    if (found.some(({ inode }) => owners?.has(inode))) this.#recoveredAfter = Math.round(now - this.#began);
    for (const { cookie } of found) this.#known.add(cookie);
  }

  /** The sockets of the process; `undefined` if it has ended. */
  async #sockets(): Promise<Awaited<ReturnType<typeof ownersOf>> | undefined> {
    try {
      return await ownersOf(this.process.pid);
    } catch (error) {
      if (isRunning(this.process)) throw error;
      return undefined;
    }
  }

  /** Undoes it on all that is still where it was. */
  #undoHere(): void {
    for (const subject of this.#subjects) undo(this.process, subject);
  }

  async #undo(): Promise<void> {
    this.#undoHere();
    const left = this.#subjects.filter(({ isUndone }) => !isUndone);
    if (left.length === 0) return;
    // Another process may have the socket as well, such as one that was forked, and keeps it open.
    const rows = await listConnections(this.#filter);
    const isOpen = ({ connection: { cookie }, gaveUpAfter, noticedAfter }: Subject) =>
      rows.some((row) => row.cookie === cookie && row.inode !== 0) ||
      (gaveUpAfter !== undefined && noticedAfter === undefined);
    const elsewhere = left.filter(isOpen);
    if (elsewhere.length > 0) await undoElsewhere(elsewhere);
  }

  #shown(subject: Subject): ConnectionInDrill {
    const { row, connection, began } = subject;
    const { verdict, noticedAfter, gaveUpAfter, predicted } = this.#reported(subject);
    const probes =
      row.timer?.kind === 'keepalive' || row.timer?.kind === 'persist' ? row.timer.unanswered : 0;
    return {
      connection,
      unansweredProbes: probes,
      retransmissions: row.timer?.kind === 'on' ? (row.info?.retransmits ?? 0) : 0,
      elapsed: performance.now() - began,
      ...{ verdict, predicted },
      ...(noticedAfter !== undefined && { noticedAfter }),
      ...(gaveUpAfter !== undefined && { gaveUpAfter }),
    };
  }

  #reported(subject: Subject): DrilledConnection {
    const { connection, predicted, noticedAfter, gaveUpAfter } = subject;
    const verdict = this.#verdict(subject);
    return {
      remote: connection.remote,
      verdict,
      ...(verdict === 'noticed' && { noticedAfter: Math.round(noticedAfter ?? 0) }),
      ...(gaveUpAfter !== undefined && { gaveUpAfter: Math.round(gaveUpAfter) }),
      predicted,
    };
  }

  #verdict({ began, noticedAfter, gaveUpAfter }: Subject): DrillVerdict {
    const hasEnded = this.#endedAt !== undefined;
    const untilEnd = (this.#endedAt ?? 0) - began - (noticedAfter ?? Infinity);
    if (hasEnded && untilEnd < ENDING) return 'processEnded';
    if (noticedAfter !== undefined) return 'noticed';
    return gaveUpAfter === undefined ? 'notNoticed' : 'notReading';
  }
}

function noConnection({ name, pid }: ProcessIdentity, which: string): Error {
  return keepAliveError(
    'ERR_KEEPALIVE_NOT_CONNECTED',
    `Expected a connection that ${name} ${pid} has ${which}`,
  );
}

function noteRow(subject: Subject, row: Connection | undefined, now: number): void {
  if (row === undefined) {
    if (++subject.missing === 1) subject.missingSince = now;
    else subject.gaveUpAfter ??= subject.missingSince - subject.began;
    return;
  }
  const { began, seenAt, windows } = subject;
  Object.assign(subject, { missing: 0, row, seenAt: now });
  // The end of a connection that the process has closed is in flight too, and belongs to nobody.
  if (subject.isInFlight || row.inode === 0 || row.info === undefined || !isInFlight(row.info)) return;
  // The clock of the kernel starts again with the write, which came since the last look.
  subject.isInFlight = true;
  subject.predicted = windows.afterWrite(seenAt - began, performance.now() - began);
}

/** Whether the process still has the socket under the number at which it was last seen. */
function isAtItsNumber({ owner: { pid, fd }, inode }: OwnedConnection): boolean {
  try {
    return readlinkSync(`/proc/${pid}/fd/${fd}`) === `socket:[${inode}]`;
  } catch {
    return false;
  }
}

function undo(process: ProcessIdentity, subject: Subject): void {
  if (subject.isUndone) return;
  try {
    withSocket(process, subject.connection, (fd) => setHearing(fd, subject.hearing));
    subject.isUndone = true;
  } catch {
    // It is closed, or is looked for elsewhere.
  }
}

/** Looks for sockets in all processes. Those that nobody has any more are not found. */
async function undoElsewhere(subjects: readonly Subject[]): Promise<void> {
  const owners = await ownersOf(undefined);
  for (const subject of subjects) {
    const owner = owners.get(subject.connection.inode);
    if (owner === undefined) continue;
    const connection = { ...subject.connection, owner };
    withSocket(identify(owner.pid), connection, (fd) => setHearing(fd, subject.hearing));
    subject.isUndone = true;
  }
}

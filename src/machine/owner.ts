import { closeSync, openSync, readdirSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { readCookie, readSettings } from '#core';
import { type Borrower, bindBorrower } from '../../native-bindings/borrow.ts';
import { codeOf } from '../options/errors.ts';
import { refusal } from '../options/fields.ts';
import type { KeepAliveSettings } from '../options/options.ts';
import { koffiHere } from './koffi.ts';

/** The process that has a socket. */
export interface Owner {
  /** Its id. */
  readonly pid: number;
  /** The name of its program, such as `node`. */
  readonly name: string;
  /** The number of its descriptor. */
  readonly fd: number;
}

/** How many options are read before other code may run. */
const STEP = 256;

/** A socket that a process has, by its inode. */
type Tell = (inode: number, pid: number, name: string, fd: number) => void;

/**
 * Finds the process of each socket, by the socket's inode. Processes of other users are left out, unless this one has
 * the rights of root.
 *
 * @param pid - the only process to look at
 * @throws an error that says why that process cannot be looked at
 */
export async function ownersOf(pid: number | undefined): Promise<Map<number, Owner>> {
  const owners = new Map<number, Owner>();
  await eachSocket(pid, (inode, pid, name, fd) => {
    // A process and those that it forked have the same socket.
    if (!owners.has(inode)) owners.set(inode, { pid, name, fd });
  });
  return owners;
}

/** Adds its owner to each connection, and looks no further once each has its own. */
export async function findOwners(connections: readonly Owned[]): Promise<void> {
  // No process has what is 0, such as connections in `TIME_WAIT`.
  const missing = new Map(connections.filter(({ inode }) => inode !== 0).map((each) => [each.inode, each]));
  const find: Tell = (inode, pid, name, fd) => {
    const connection = missing.get(inode);
    if (connection === undefined) return;
    connection.owner = { pid, name, fd };
    missing.delete(inode);
  };
  await eachSocket(undefined, find, () => missing.size === 0);
}

async function eachSocket(pid: number | undefined, tell: Tell, isEnough = () => false): Promise<void> {
  const { nextSockets } = borrowerHere();
  const pids = pid === undefined ? readdirSync('/proc').map(Number).filter(Number.isInteger) : [pid];
  for (const each of pids) {
    if (isEnough()) return;
    const directory = openDescriptors(each, pid !== undefined);
    if (directory === undefined) continue;
    const name = programOf(each);
    try {
      while (nextSockets(directory, (inode, fd) => tell(inode, each, name, fd))) await setImmediate();
    } finally {
      closeSync(directory);
    }
  }
}

function openDescriptors(pid: number, isAskedFor: boolean): number | undefined {
  try {
    return openSync(`/proc/${pid}/fd`, 'r');
  } catch (error) {
    if (!isAskedFor) return undefined;
    if (codeOf(error) === 'ENOENT') throw refusal('`pid` to be a running process', pid, { outOfRange: true });
    throw Object.assign(error as Error, {
      message: `Cannot look at the sockets of process ${pid} (${codeOf(error)}): run this as its user, or as root`,
    });
  }
}

/** The name of the program that a process runs. */
export function programOf(pid: number): string {
  try {
    // The kernel says so of a program that was replaced while it runs.
    return basename(readlinkSync(`/proc/${pid}/exe`)).replace(/ \(deleted\)$/, '');
  } catch {
    // It has ended, or the kernel itself runs it.
    return '';
  }
}

let bound: Borrower | undefined;

/** @throws `ERR_KEEPALIVE_UNSUPPORTED` */
export function borrowerHere(): Borrower {
  bound ??= bindBorrower(koffiHere());
  return bound;
}

interface Owned {
  readonly inode: number;
  readonly cookie: number;
  owner?: Owner;
  options?: KeepAliveSettings;
}

/** Adds its owner to each connection. */
export function addOwners(connections: readonly Owned[], owners: ReadonlyMap<number, Owner>): void {
  for (const connection of connections) {
    const owner = owners.get(connection.inode);
    if (owner !== undefined) connection.owner = owner;
  }
}

/** Adds its options to each connection whose owner lets them be read. */
export async function addOptions(connections: readonly Owned[]): Promise<void> {
  const borrower = borrowerHere();
  const processes = new Map<number, number | undefined>();
  try {
    for (const [i, connection] of connections.entries()) {
      const { owner, cookie } = connection;
      if (i % STEP === 0) await setImmediate();
      if (owner === undefined) continue;
      if (!processes.has(owner.pid)) processes.set(owner.pid, processOf(borrower, owner.pid));
      const options = optionsOf(borrower, processes.get(owner.pid), owner.fd, cookie);
      if (options !== undefined) connection.options = options;
    }
  } finally {
    for (const process of processes.values()) if (process !== undefined) borrower.close(process);
  }
}

function processOf(borrower: Borrower, pid: number): number | undefined {
  try {
    return borrower.openProcess(pid);
  } catch {
    return undefined;
  }
}

/** Reads the options through a duplicate, if it is still the same socket. */
function optionsOf(
  borrower: Borrower,
  process: number | undefined,
  fd: number,
  cookie: number,
): KeepAliveSettings | undefined {
  if (process === undefined) return undefined;
  try {
    const duplicate = borrower.borrow(process, fd);
    try {
      return readCookie(duplicate) === cookie ? readSettings(duplicate) : undefined;
    } finally {
      borrower.close(duplicate);
    }
  } catch {
    return undefined;
  }
}

import { readdirSync, readlinkSync } from 'node:fs';
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

/** How many descriptors are looked at before other code may run. */
const STEP = 256;

/**
 * Finds the process of each socket, by the socket's inode. Processes of other users are left out, unless this one has
 * the rights of root.
 *
 * @param pid - the only process to look at
 * @throws an error that says why that process cannot be looked at
 */
export async function ownersOf(pid: number | undefined): Promise<Map<number, Owner>> {
  const owners = new Map<number, Owner>();
  const pids = pid === undefined ? readdirSync('/proc').filter((name) => /^\d+$/.test(name)) : [String(pid)];
  for (const each of pids) {
    const descriptors = descriptorsOf(each, pid !== undefined);
    const name = descriptors.length === 0 ? '' : programOf(each);
    for (let begin = 0; begin < descriptors.length; begin += STEP) {
      for (const fd of descriptors.slice(begin, begin + STEP)) {
        const inode = inodeOf(`/proc/${each}/fd/${fd}`);
        // A process and those that it forked have the same socket.
        if (inode !== undefined && !owners.has(inode))
          owners.set(inode, { pid: Number(each), name, fd: Number(fd) });
      }
      await setImmediate();
    }
  }
  return owners;
}

function descriptorsOf(pid: string, isAskedFor: boolean): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`);
  } catch (error) {
    if (!isAskedFor) return [];
    if (codeOf(error) === 'ENOENT')
      throw refusal('`pid` to be a running process', Number(pid), { outOfRange: true });
    throw Object.assign(error as Error, {
      message: `Cannot look at the sockets of process ${pid} (${codeOf(error)}): run this as its user, or as root`,
    });
  }
}

function programOf(pid: string): string {
  try {
    return basename(readlinkSync(`/proc/${pid}/exe`));
  } catch {
    // It has ended, or the kernel itself runs it.
    return '';
  }
}

function inodeOf(link: string): number | undefined {
  try {
    const target = readlinkSync(link);
    return target.startsWith('socket:[') ? Number(target.slice(8, -1)) : undefined;
  } catch {
    // It has been closed meanwhile.
    return undefined;
  }
}

interface Owned {
  readonly inode: number;
  readonly cookie: number;
  owner?: Owner;
  options?: KeepAliveSettings;
}

let borrower: Borrower | undefined;

/** Adds its owner to each connection, and its options if the owner lets them be read. */
export async function addOwners(
  connections: readonly Owned[],
  owners: ReadonlyMap<number, Owner>,
): Promise<void> {
  borrower ??= bindBorrower(koffiHere());
  const processes = new Map<number, number | undefined>();
  try {
    for (const [i, connection] of connections.entries()) {
      const owner = owners.get(connection.inode);
      if (owner === undefined) continue;
      connection.owner = owner;
      if (!processes.has(owner.pid)) processes.set(owner.pid, processOf(borrower, owner.pid));
      const options = optionsOf(borrower, processes.get(owner.pid), owner.fd, connection.cookie);
      if (options !== undefined) connection.options = options;
      if (i % STEP === 0) await setImmediate();
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

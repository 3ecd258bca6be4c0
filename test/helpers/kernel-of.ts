import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { linux } from '../../native-bindings/platforms/linux.ts';
import type { OptionEntry } from '../../native-bindings/platforms/table.ts';
import { getOption } from '../../native-bindings/sockopt.ts';

const ESTABLISHED = '01';

/**
 * The kernel's own values, `enable:idle/intvl/cnt ut`, of each socket of this process that is
 * connected to a port or was accepted on it. They are found through /proc, so that no library can hide one.
 */
function kernelOf(port: number): string[] {
  const inodes = connectionsOf(port);
  return descriptors()
    .filter(({ inode }) => inodes.has(inode))
    .map(({ fd }) => valuesOf(fd));
}

function valuesOf(fd: number): string {
  const read = (entry: OptionEntry | undefined) => (entry === undefined ? '?' : getOption(fd, entry));
  const { enable, initialDelay, interval, count, userTimeout } = linux;
  return `${read(enable)}:${read(initialDelay)}/${read(interval)}/${read(count)} ${read(userTimeout)}`;
}

function connectionsOf(port: number): Set<string> {
  const inodes = new Set<string>();
  for (const table of ['/proc/self/net/tcp', '/proc/self/net/tcp6']) {
    for (const line of readFileSync(table, 'utf8').trim().split('\n').slice(1)) {
      const [, local = '', remote = '', state, , , , , , inode = ''] = line.trim().split(/\s+/);
      const ports = [local, remote].map((address) => Number.parseInt(address.split(':')[1] ?? '', 16));
      if (state === ESTABLISHED && ports.includes(port)) inodes.add(inode);
    }
  }
  return inodes;
}

function descriptors(): { fd: number; inode: string }[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    const inode = /^socket:\[(\d+)\]$/.exec(linkOf(fd))?.[1];
    return inode === undefined ? [] : [{ fd: Number(fd), inode }];
  });
}

function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    // The descriptor of the listing itself is closed by now.
    return '';
  }
}

Object.assign(globalThis, { kernelOf });

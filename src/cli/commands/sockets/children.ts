import { readFileSync } from 'node:fs';
import { listConnections, type Owner } from '../../../machine/index.ts';
import { printable } from '../../../options/show.ts';
import type { Query } from './query.ts';

/**
 * Says which processes have the connections if the one that was asked for has none: npm, tsx and other launchers run
 * the program in a child process.
 *
 * @returns a sentence, or `undefined` if no child has any either
 */
export async function hintOfChildren({ filters }: Query): Promise<string | undefined> {
  const pid = filters[0]?.pid;
  if (pid === undefined) return undefined;
  const children = new Map<number, Owner>();
  for (const filter of filters) {
    for (const { owner } of await listConnections({
      ...filter,
      options: false,
      owners: true,
      pid: undefined,
    })) {
      if (owner !== undefined && isBelow(owner.pid, pid)) children.set(owner.pid, owner);
    }
  }
  if (children.size === 0) return undefined;
  const names = [...children.values()].map((owner) => `--pid ${owner.pid} (${printable(owner.name)})`);
  return `process ${pid} has none, but a process that it started does: ${names.join(', ')}`;
}

function isBelow(pid: number, ancestor: number): boolean {
  for (let each = parentOf(pid); each > 0; each = parentOf(each)) if (each === ancestor) return true;
  return false;
}

/** 0 for the first process, and for one that has ended meanwhile. */
function parentOf(pid: number): number {
  try {
    return Number(/^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

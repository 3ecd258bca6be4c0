import { readFileSync } from 'node:fs';
import type { KeepAliveSettings } from '../options/options.ts';

/** The interval in milliseconds and the count that Linux and Node leave on a connection. */
const usual = [
  [75_000, 9],
  [1_000, 10],
] as const;

/**
 * Whether a process may hold options by this library: it is under rules, or koffi is loaded in it. Nothing outside of a
 * process shows which of its connections are held.
 */
export function mayHold(pid: number): boolean {
  return (
    contentOf(`/proc/${pid}/maps`).includes('koffi') ||
    /(^|\0)TCP_KEEPALIVE(_CONFIG)?=/.test(contentOf(`/proc/${pid}/environ`))
  );
}

/** Whether more was set on a connection of such a process than Node's own call sets. */
export function mayBeHeld({ interval, count, userTimeout }: KeepAliveSettings): boolean {
  return Boolean(userTimeout) || !usual.some(([a, b]) => interval === a && count === b);
}

function contentOf(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    // The process has ended, which its next reader says.
    return '';
  }
}

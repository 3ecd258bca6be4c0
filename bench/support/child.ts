import { type ChildProcess, fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * Runs a file of `children/` in a process of its own, so that what V8 learned from one bench does not
 * slow another, and returns the message it sends. Pinned to one core where `taskset` is there.
 */
export async function inChild<T>(file: string, args: readonly string[] = []): Promise<T> {
  const child = startChild(file, args, pinning());
  const message = once(child, 'message') as Promise<[T]>;
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
  if (code !== 0) throw new Error(`${file} ${args.join(' ')} ended with ${code ?? signal}`);
  return (await message)[0];
}

/** A process that accepts connections and leaves them alone, so that their descriptors are not ours. */
export async function startPeer(): Promise<{ port: number; close(): void }> {
  const child = startChild('peer.ts', [], []);
  const [port] = (await once(child, 'message')) as [number];
  return { port, close: () => child.disconnect() };
}

/** The result of a child, for the child itself to send. */
export function report(result: unknown): void {
  process.send?.(result, () => process.exit());
}

/** The command before a command that keeps it on one core; empty where there is none. */
export function pinning(): readonly string[] {
  if (spawnSync('taskset', ['--version']).error !== undefined) return [];
  const allowed = /^Cpus_allowed_list:.*?(\d+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  return allowed === undefined ? [] : ['taskset', '-c', allowed];
}

function startChild(file: string, args: readonly string[], before: readonly string[]): ChildProcess {
  const [command, ...rest] = [...before, process.execPath, '--expose-gc', ...process.execArgv];
  return fork(fileURLToPath(new URL(`../children/${file}`, import.meta.url)), args, {
    execPath: command ?? process.execPath,
    execArgv: rest,
  });
}

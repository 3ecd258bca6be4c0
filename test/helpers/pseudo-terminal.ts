import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readlinkSync } from 'node:fs';
import { onTestFinished, vi } from 'vitest';
import { PATIENCE } from './patience.ts';

/** Whether this machine has the `script` of util-linux, which runs a program in a terminal. */
export const hasPseudoTerminals: boolean = String(
  spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout,
).includes('util-linux');

export interface PseudoTerminal {
  /** Waits until the program has written this. */
  shows(text: string): Promise<void>;
  /** Types text on its keyboard, of which control characters become signals. */
  type(keys: string): void;
  /** The id of the program that runs in it, or of the last that this one started. */
  pid(): number;
  /** Changes its size. */
  resize(columns: number, rows: number): void;
  /** The exit code of the program, and all that was on the screen. */
  readonly ended: Promise<{ code: number | null; out: string }>;
}

/** Runs a program in a terminal of its own, until it ends or the test does. */
export function inPseudoTerminal(command: readonly string[], env: NodeJS.ProcessEnv): PseudoTerminal {
  const line = `exec ${command.map(quoted).join(' ')}`;
  const child = spawn('script', ['-qec', line, '/dev/null'], { env, stdio: ['pipe', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill());
  let out = '';
  child.stdout.on('data', (chunk) => {
    out += chunk;
  });
  return {
    shows: (text) => vi.waitUntil(() => out.includes(text), { timeout: PATIENCE }).then(() => {}),
    pid: () => lastOf(child.pid ?? 0),
    resize(columns, rows) {
      const terminal = readlinkSync(`/proc/${lastOf(child.pid ?? 0)}/fd/0`);
      spawnSync('stty', ['-F', terminal, 'columns', String(columns), 'rows', String(rows)]);
    },
    type: (keys) => void child.stdin.write(keys),
    ended: once(child, 'close').then(([code]) => ({ code, out })),
  };
}

/** The last descendant of a process. */
function lastOf(pid: number): number {
  const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
  return child ? lastOf(Number(child)) : pid;
}

/** Quotes a word for a shell. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

import { execFile, type PromiseWithChild } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const project = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);

/** The arguments with which `process.execPath` runs a program of test/fixtures. */
export function fixtureArguments(name: string, ...args: string[]): string[] {
  return ['--expose-gc', '--import', 'tsx', `test/fixtures/${name}`, ...args];
}

/** Runs a program of test/fixtures in a process of its own: what it wrote, as JSON. */
export async function runFixture(name: string, ...args: string[]): Promise<unknown> {
  const child: PromiseWithChild<{ stdout: string }> = run(
    process.execPath,
    fixtureArguments(name, ...args),
    // A process that does not end by itself is ended, and the test fails.
    { cwd: project, timeout: 25_000, killSignal: 'SIGKILL' },
  );
  const { stdout } = await child;
  return JSON.parse(stdout);
}

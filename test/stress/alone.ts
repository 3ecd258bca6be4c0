import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * Runs a script of this directory that was started by itself, and prints what it measured. Imported,
 * as by `test/stress.test.ts`, it does nothing.
 *
 * @param run - gets whether `--full` was given
 */
export async function whenAlone(url: string, run: (full: boolean) => Promise<object>): Promise<void> {
  const [, started] = process.argv;
  // Node gives the module's address with symbolic links resolved, and the argument as it was typed.
  if (started === undefined || realpathSync(started) !== fileURLToPath(url)) return;
  const began = performance.now();
  const measured = await run(process.argv.includes('--full'));
  console.log({ ...measured, seconds: Number(((performance.now() - began) / 1_000).toFixed(1)) });
}

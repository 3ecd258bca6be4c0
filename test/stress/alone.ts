import { fileURLToPath } from 'node:url';

/**
 * Runs a script of this directory that was started by itself, and prints what it measured. Imported,
 * as by `test/stress.test.ts`, it does nothing.
 *
 * @param run - gets whether `--full` was given
 */
export async function whenAlone(url: string, run: (full: boolean) => Promise<object>): Promise<void> {
  if (process.argv[1] !== fileURLToPath(url)) return;
  const began = performance.now();
  const measured = await run(process.argv.includes('--full'));
  console.log({ ...measured, seconds: Number(((performance.now() - began) / 1_000).toFixed(1)) });
}

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll } from 'vitest';
import { bundleFile } from './bundle.ts';
import { PATIENCE } from './patience.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The output and the end of a program. */
export interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface ProgramOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Loads the library with `--require` instead of `--import`. */
  readonly required?: boolean;
  /** Runs without the library. */
  readonly bare?: boolean;
  /** The arguments of the program. */
  readonly args?: readonly string[];
  readonly node?: string;
}

/** Programs that do not import the library, but get it from Node's command line. */
export interface Programs {
  /** Runs an ES module to its end. */
  run(source: string, options?: ProgramOptions): Promise<Outcome>;
  /** The library's built file for `tcp-keepalive/register`. */
  readonly register: string;
}

/**
 * Builds `tcp-keepalive/register` once, into a temporary directory that has the checkout's packages.
 *
 * Every program also has a `kernelOf(port)`, which is no part of the library: the kernel's values of each of
 * its sockets connected to a port, or accepted on it.
 */
export function programs(): () => Programs {
  const directory = mkdtempSync(join(tmpdir(), 'tcp-keepalive-programs-'));
  beforeAll(async () => {
    symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'));
    await bundleFile('src/register.ts', join(directory, 'register.mjs'), 'esm');
    await bundleFile('src/register.cts', join(directory, 'register.cjs'), 'cjs');
    await bundleFile('test/helpers/kernel-of.ts', join(directory, 'kernel-of.mjs'), 'esm');
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  let number = 0;
  const run = async (source: string, options: ProgramOptions = {}): Promise<Outcome> => {
    const path = join(directory, `program-${++number}.mjs`);
    writeFileSync(path, source);
    return runNode(directory, path, options);
  };
  return () => ({ run, register: join(directory, 'register.mjs') });
}

async function runNode(directory: string, path: string, options: ProgramOptions): Promise<Outcome> {
  const { env, required = false, bare = false, args = [], node = process.execPath } = options;
  const register = required
    ? ['--require', join(directory, 'register.cjs')]
    : ['--import', pathToFileURL(join(directory, 'register.mjs')).href];
  const child = spawn(
    node,
    [
      '--import',
      pathToFileURL(join(directory, 'kernel-of.mjs')).href,
      ...(bare ? [] : register),
      path,
      ...args,
    ],
    { env: { PATH: process.env.PATH ?? '', ...env }, stdio: ['ignore', 'pipe', 'pipe'], timeout: PATIENCE },
  );
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk) => {
    out += chunk;
  });
  child.stderr.on('data', (chunk) => {
    err += chunk;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, out, err };
}

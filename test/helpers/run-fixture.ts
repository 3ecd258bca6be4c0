import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll } from 'vitest';
import { bundleFile } from './bundle.ts';
import { PATIENCE } from './patience.ts';

const directory = mkdtempSync(join(tmpdir(), 'tcp-keepalive-fixtures-'));
symlinkSync(fileURLToPath(new URL('../../node_modules', import.meta.url)), join(directory, 'node_modules'));
afterAll(() => rmSync(directory, { recursive: true }));

const bundled = new Map<string, Promise<string>>();

/**
 * The arguments with which `process.execPath` runs a program of test/fixtures. It is bundled first, since a
 * process that loads TypeScript takes ten times as long to start.
 */
export async function fixtureArguments(name: string, ...args: string[]): Promise<string[]> {
  const file = bundled.get(name) ?? bundleFixture(name);
  bundled.set(name, file);
  return ['--expose-gc', await file, ...args];
}

/** Runs a program of test/fixtures in a process of its own, and returns its output, parsed as JSON. */
export async function runFixture(name: string, ...args: string[]): Promise<unknown> {
  const { stdout } = await promisify(execFile)(process.execPath, await fixtureArguments(name, ...args), {
    // A process that does not end is killed, and the test fails.
    timeout: PATIENCE,
    killSignal: 'SIGKILL',
  });
  return JSON.parse(stdout);
}

async function bundleFixture(name: string): Promise<string> {
  const file = join(directory, name.replace(/\.ts$/, '.mjs'));
  await bundleFile(`test/fixtures/${name}`, file, 'esm');
  return file;
}

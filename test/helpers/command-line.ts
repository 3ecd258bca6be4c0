import { type ChildProcess, execFile } from 'node:child_process';
import { chmodSync, cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect } from 'vitest';
import type { Io } from '../../src/cli/command.ts';
import { run } from '../../src/cli/dispatch.ts';
import { bundleInParts, platformPackage } from './bundle.ts';
import { withoutFfi } from './without-ffi.ts';

export interface Told {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** The escape character, which only coloured text contains. */
export const ESCAPE = '\u001b[';

interface Terminal {
  readonly columns?: number;
  readonly color?: boolean;
  /** Without it nobody can be asked. */
  readonly ask?: Io['ask'];
  /** Ends a command that goes on as long as its output is read. */
  readonly closed?: AbortSignal;
  /** Is told each piece of the output at once. */
  readonly onOut?: (text: string) => void;
}

/** Of an output that is always read. */
export function neverClosed(): AbortSignal {
  return new AbortController().signal;
}

/** Runs a command line as if it had been typed in a terminal of 80 columns. */
export function type(line: string, terminal: Terminal = {}): Promise<Told> {
  return typeArguments(line === '' ? [] : line.split(' '), terminal);
}

/** The same with arguments that have spaces in them. */
export async function typeArguments(
  args: readonly string[],
  { columns = 80, color = false, ask, closed = neverClosed(), onOut }: Terminal = {},
): Promise<Told> {
  const told = { out: '', err: '' };
  const code = await run(args, {
    out(text) {
      told.out += text;
      onOut?.(text);
    },
    err(text) {
      told.err += text;
    },
    columns,
    color,
    ask,
    isScreen: false,
    closed,
  });
  return { code, ...told };
}

/** Expects exit code 2 and one line that says what was expected. */
export async function expectRefused(line: string, expected: string): Promise<void> {
  const { code, out, err } = await type(line);
  expect({ code, out }).toEqual({ code: 2, out: '' });
  expect(err).toMatch(/^tcp-keepalive: (?:Expected|Cannot) [^\n]* Run tcp-keepalive (?:\w+ )?--help\n$/);
  expect(err).toContain(expected);
}

/** The command line, as it is built. */
export interface BundledCli {
  readonly file: string;
  /** Runs it in a process of its own. Rejects, as `execFile` does, if the exit code is not 0. */
  run(...args: string[]): Promise<{ stdout: string; stderr: string }> & { child: ChildProcess };
}

/**
 * Bundles the command line once for a test file, into a directory that every user may read: without koffi, so that it
 * makes no system calls, or with koffi's package for this system. It is copied, because another user may not be let into
 * the checkout.
 */
export function bundledCli({ koffi = false }: { koffi?: boolean } = {}): BundledCli {
  const directory = mkdtempSync(join(tmpdir(), 'tcp-keepalive-'));
  const file = join(directory, 'main.mjs');
  chmodSync(directory, 0o755);
  if (koffi)
    cpSync(join('node_modules', platformPackage), join(directory, 'node_modules', platformPackage), {
      recursive: true,
    });
  beforeAll(() => bundleInParts('src/cli/main.ts', directory));
  afterAll(() => rmSync(directory, { recursive: true }));
  return {
    file,
    run: (...args) =>
      promisify(execFile)(process.execPath, [...(koffi ? [] : withoutFfi), file, ...args], {
        // Node itself reads these two, even if they are empty.
        env: { ...process.env, FORCE_COLOR: undefined, NO_COLOR: undefined },
      }),
  };
}

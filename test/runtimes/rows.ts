import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Cell, execute } from './execute.ts';
import type { PackedProject } from './packed-project.ts';
import type { Runtime, RuntimeLine } from './runtimes.ts';

/** One thing that is tried on each runtime. */
export interface Row {
  readonly name: string;
  /** What the row of the documented table that tells of it has in its first cell. */
  readonly documentedAs: string;
  appliesTo(runtime: RuntimeLine): boolean;
  run(runtime: Runtime, project: PackedProject): Promise<Cell>;
}

const root = fileURLToPath(new URL('../..', import.meta.url));
const jest = fileURLToPath(new URL('node_modules/jest/bin/jest.js', import.meta.url));

const PACKED = 'the packed package';
const TESTING = 'tcp-keepalive/testing';
const FFI = '`node:ffi`';

const everywhere = () => true;
/** qemu-user starts no program by its file's name alone, and the bundles have no koffi for arm64 beside them. */
const onThisProcessor = ({ system }: RuntimeLine) => system !== 'arm64';
const onNode = ({ kind, system }: RuntimeLine) => kind === 'node' && system === undefined;
const onNodeWithFfi = (runtime: RuntimeLine) => onNode(runtime) && hasFfi(runtime);

/** Everything that the matrix tries, without the whole test suite. */
export const rows: readonly Row[] = [
  {
    name: 'ESM, packed and installed',
    documentedAs: PACKED,
    appliesTo: everywhere,
    run: smoke('esm.mjs', 'full'),
  },
  {
    name: 'CommonJS, packed and installed',
    documentedAs: PACKED,
    appliesTo: everywhere,
    run: smoke('cjs.cjs', 'full'),
  },
  {
    name: 'every entry, both ways',
    documentedAs: PACKED,
    appliesTo: everywhere,
    run: smoke('entries.mjs', 'full'),
  },
  {
    name: 'register, required or preloaded',
    documentedAs: 'tcp-keepalive/register',
    appliesTo: onThisProcessor,
    run: smoke('register.cjs', ''),
  },
  {
    name: 'tcp-keepalive/testing in node:test',
    documentedAs: TESTING,
    appliesTo: onNode,
    run: ({ command }, { directory }) => execute([...command, '--test', 'testing/node.test.mjs'], directory),
  },
  {
    name: 'tcp-keepalive/testing in jest',
    documentedAs: TESTING,
    appliesTo: onNode,
    run: ({ command }, { directory }) =>
      execute([...command, jest, '--testMatch', '**/testing/jest.test.cjs'], directory),
  },
  {
    name: 'bundled to ESM, koffi external',
    documentedAs: PACKED,
    appliesTo: onThisProcessor,
    run: smoke('bundle.mjs', 'full'),
  },
  {
    name: 'bundled to CommonJS, koffi external',
    documentedAs: PACKED,
    appliesTo: onThisProcessor,
    run: smoke('bundle.cjs', 'full'),
  },
  {
    name: '--permission --allow-addons',
    documentedAs: '--allow-addons',
    appliesTo: onNode,
    run: smoke('esm.mjs', 'full', (node) => permission(node, true)),
  },
  {
    name: '--permission without addons',
    documentedAs: '`--permission` without',
    appliesTo: onNode,
    run: smoke('esm.mjs', 'fallback', (node) => permission(node, false)),
  },
  {
    name: '--omit=optional',
    documentedAs: '--omit=optional',
    appliesTo: onThisProcessor,
    run: smokeWithoutKoffi('cjs.cjs', 'fallback', (runtime) =>
      runtime.kind === 'node' && hasFfi(runtime) ? ['--no-experimental-ffi'] : [],
    ),
  },
  {
    name: '--omit=optional, node:ffi',
    documentedAs: FFI,
    appliesTo: onNodeWithFfi,
    run: smokeWithoutKoffi('ffi.cjs', 'full'),
  },
  {
    name: '--permission --allow-ffi',
    documentedAs: FFI,
    appliesTo: onNodeWithFfi,
    run: smokeWithoutKoffi('ffi.cjs', 'full', (node) => [...permission(node, false), '--allow-ffi']),
  },
];

/**
 * The whole suite, which takes minutes: a run on this Node that has just ended is not repeated.
 *
 * @param report - vitest's JSON report of that run
 */
export function wholeSuite(report?: string): Row {
  return {
    name: 'the whole test suite',
    documentedAs: 'the whole test suite',
    appliesTo: onNode,
    async run({ command }) {
      if (report !== undefined && command[0] === process.execPath) return cellOf(report);
      // Tried again, because it is runtimes that are compared here: a busy machine upsets a timed test.
      const flags = ['--reporter=dot', '--retry=2'];
      return execute([...command, 'node_modules/vitest/vitest.mjs', 'run', ...flags], root);
    },
  };
}

function cellOf(report: string): Cell {
  const { success, numFailedTests } = JSON.parse(readFileSync(report, 'utf8'));
  return { passed: success === true, output: `${numFailedTests} tests failed, says ${report}` };
}

type Flags = (runtime: Runtime) => readonly string[];

/** Runs a program of the folder `smoke`, in a project with the package. */
function smoke(file: string, mode: string, flags: Flags = () => []): Row['run'] {
  return (runtime, { directory, forArm64 }) =>
    execute(
      [...runtime.command, ...flags(runtime), join('smoke', file), modeOn(runtime, mode)],
      runtime.system === 'arm64' ? forArm64() : directory,
      runtime.env,
    );
}

function smokeWithoutKoffi(file: string, mode: string, flags?: Flags): Row['run'] {
  const run = smoke(file, mode, flags);
  return (runtime, project) => run(runtime, { ...project, directory: project.withoutKoffi });
}

/** qemu-user does not pass on all that Linux has, and Deno shows no descriptor that koffi would be needed for. */
function modeOn({ kind, system }: Runtime, mode: string): string {
  if (mode === 'full' && system === 'arm64') return 'emulated';
  return mode === 'fallback' && kind === 'deno' ? 'node' : mode;
}

function permission({ major }: Runtime, addons: boolean): string[] {
  return [
    major === 20 ? '--experimental-permission' : '--permission',
    '--allow-fs-read=*',
    ...(addons ? ['--allow-addons'] : []),
    ...(major >= 25 ? ['--allow-net'] : []),
    ...(major > 20 ? ['--disable-warning=SecurityWarning'] : []),
  ];
}

/** From Node 26 on, Node's own FFI makes the calls if koffi is missing. */
function hasFfi({ major }: RuntimeLine): boolean {
  return major >= 26;
}

/**
 * The runtime matrix: the packed package, installed into an empty project, on every supported Node line
 * and on Bun; installed with each package manager; and bundled with each bundler. Prints tables and fails if any
 * cell does.
 *
 * `npm run test:runtimes` runs the whole test suite too. After `--`:
 * - `--smoke` leaves that row out;
 * - `--suite-report FILE` takes the cell of the running Node from vitest's JSON report of a run on it;
 * - `--package FILE` takes a tarball of the package instead of building one.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, styleText } from 'node:util';
import { build } from 'esbuild';
import { tryBundles } from './bundles.ts';
import { type Cell, execute } from './execute.ts';
import { tryInstalls } from './installs.ts';
import { type PackedProject, packedProject } from './packed-project.ts';
import { type Runtime, supportedRuntimes } from './runtimes.ts';

interface Row {
  name: string;
  run(runtime: Runtime): Promise<Cell>;
}

const root = fileURLToPath(new URL('../..', import.meta.url));
const jest = fileURLToPath(new URL('node_modules/jest/bin/jest.js', import.meta.url));
const notApplicable: Cell = { passed: undefined, output: '' };

function rows(project: PackedProject, suite: Row | undefined): Row[] {
  const { directory, withoutKoffi } = project;
  const smoke = (
    name: string,
    file: string,
    mode: string,
    cwd = directory,
    flags = (_: Runtime): string[] => [],
  ): Row => ({
    name,
    run: (runtime) => execute([runtime.command, ...flags(runtime), join('smoke', file), mode], cwd),
  });
  const withFfi = (row: Row): Row => ({
    ...row,
    run: async (runtime) => (withoutFfi(runtime).length > 0 ? row.run(runtime) : notApplicable),
  });
  const nodeOnly = (row: Row): Row => ({
    ...row,
    run: async (runtime) => (runtime.kind === 'node' ? row.run(runtime) : notApplicable),
  });
  return [
    ...(suite === undefined ? [] : [nodeOnly(suite)]),
    smoke('ESM, packed and installed', 'esm.mjs', 'full'),
    smoke('CommonJS, packed and installed', 'cjs.cjs', 'full'),
    smoke('every entry, both ways', 'entries.mjs', 'full'),
    smoke('register, required or preloaded', 'register.cjs', ''),
    nodeOnly({
      name: 'tcp-keepalive/testing in node:test',
      run: ({ command }) => execute([command, '--test', 'testing/node.test.mjs'], directory),
    }),
    nodeOnly({
      name: 'tcp-keepalive/testing in jest',
      run: ({ command }) => execute([command, jest, '--testMatch', '**/testing/jest.test.cjs'], directory),
    }),
    smoke('bundled to ESM, koffi external', 'bundle.mjs', 'full'),
    smoke('bundled to CommonJS, koffi external', 'bundle.cjs', 'full'),
    nodeOnly(
      smoke('--permission --allow-addons', 'esm.mjs', 'full', directory, (node) => permission(node, true)),
    ),
    nodeOnly(
      smoke('--permission without addons', 'esm.mjs', 'fallback', directory, (node) =>
        permission(node, false),
      ),
    ),
    smoke('--omit=optional', 'cjs.cjs', 'fallback', withoutKoffi, withoutFfi),
    withFfi(smoke('--omit=optional, node:ffi', 'ffi.cjs', 'full', withoutKoffi)),
    withFfi(
      smoke('--permission --allow-ffi', 'ffi.cjs', 'full', withoutKoffi, (node) => [
        ...permission(node, false),
        '--allow-ffi',
      ]),
    ),
  ];
}

/** The suite takes minutes, so a run on this Node that has just ended is not repeated. */
function wholeSuite(report: string | undefined): Row {
  return {
    name: 'the whole test suite',
    async run({ command }) {
      if (report !== undefined && command === process.execPath) return cellOf(report);
      // Tried again, because it is runtimes that are compared here: a busy machine upsets a timed test.
      const flags = ['--reporter=dot', '--retry=2'];
      return execute([command, 'node_modules/vitest/vitest.mjs', 'run', ...flags], root);
    },
  };
}

function cellOf(report: string): Cell {
  const { success, numFailedTests } = JSON.parse(readFileSync(report, 'utf8'));
  return { passed: success === true, output: `${numFailedTests} tests failed, says ${report}` };
}

function permission(node: Runtime, addons: boolean): string[] {
  const flag = node.major === 20 ? '--experimental-permission' : '--permission';
  return [
    flag,
    '--allow-fs-read=*',
    ...(addons ? ['--allow-addons'] : []),
    ...(node.major >= 25 ? ['--allow-net'] : []),
    '--disable-warning=SecurityWarning',
  ].filter((each) => node.major > 20 || each !== '--disable-warning=SecurityWarning');
}

/** From Node 26 on, Node's own FFI makes the calls if koffi is missing. */
function withoutFfi({ kind, major }: Runtime): string[] {
  return kind === 'node' && major >= 26 ? ['--no-experimental-ffi'] : [];
}

async function bundle(directory: string): Promise<void> {
  for (const [format, name] of [
    ['esm', 'bundle.mjs'],
    ['cjs', 'bundle.cjs'],
  ] as const) {
    await build({
      absWorkingDir: directory,
      stdin: {
        contents: `import * as library from 'tcp-keepalive';
          import suite from './suite.cjs';
          suite.smoke(library, process.argv[2]).catch((error) => { console.error(error); process.exitCode = 1; });`,
        resolveDir: join(directory, 'smoke'),
      },
      bundle: true,
      platform: 'node',
      format,
      external: ['./suite.cjs'],
      outfile: join('smoke', name),
      logLevel: 'error',
    });
  }
}

async function checkTypes(directory: string): Promise<boolean> {
  let allPassed = true;
  for (const [moduleResolution, module] of [
    ['node16', 'node16'],
    ['nodenext', 'nodenext'],
    ['bundler', 'esnext'],
    ['node10', 'commonjs'],
  ]) {
    const config = join(directory, `tsconfig.${moduleResolution}.json`);
    const compilerOptions = {
      strict: true,
      noEmit: true,
      target: 'es2022',
      module,
      moduleResolution,
      types: ['node'],
      esModuleInterop: true,
      skipLibCheck: true,
      ...(moduleResolution === 'node10' && { ignoreDeprecations: '6.0' }),
    };
    const typeRoots = [join(root, 'node_modules/@types')];
    writeFileSync(
      config,
      JSON.stringify({ compilerOptions: { ...compilerOptions, typeRoots }, include: ['consumers'] }),
    );
    const { passed, output } = await execute(
      [process.execPath, join(root, 'node_modules/typescript/bin/tsc'), '-p', config],
      directory,
    );
    console.log(`${mark(passed)} TypeScript, moduleResolution ${moduleResolution}`);
    if (passed === false) console.log(output);
    allPassed &&= passed === true;
  }
  return allPassed;
}

function mark(passed: boolean | undefined): string {
  if (passed === undefined) return '-  ';
  return passed ? styleText('green', 'yes') : styleText('red', 'NO ');
}

const { values } = parseArgs({
  options: {
    smoke: { type: 'boolean', default: false },
    'suite-report': { type: 'string' },
    package: { type: 'string' },
  },
});
const scratch = mkdtempSync(join(tmpdir(), 'tcp-keepalive-runtimes-'));
try {
  const runtimes = supportedRuntimes();
  const project = packedProject(scratch, values.package && resolve(values.package));
  await bundle(project.directory);
  const failures: string[] = [];
  const table: string[] = [];
  let cells = 0;
  const suite = values.smoke ? undefined : wholeSuite(values['suite-report']);
  for (const row of rows(project, suite)) {
    const marks: string[] = [];
    for (const runtime of runtimes) {
      const { passed, output } = await row.run(runtime);
      if (passed !== undefined) cells++;
      if (passed === false) failures.push(`--- ${row.name} on ${runtime.name}\n${output}`);
      marks.push(mark(passed).padEnd(3) + ' '.repeat(Math.max(0, runtime.name.length - 3)));
    }
    table.push(`${row.name.padEnd(36)} ${marks.join('  ')}`);
  }
  const installs = await tryInstalls(scratch, project.tarball, runtimes);
  const bundles = await tryBundles(project.directory, scratch, runtimes);
  const typesPassed = await checkTypes(project.directory);
  console.log(`\n${' '.repeat(36)} ${runtimes.map(({ name }) => name).join('  ')}`);
  console.log(table.join('\n'));
  for (const [title, column] of [
    [`installed with, and tried on ${runtimes[0]?.name}`, installs],
    [`bundled with, copied elsewhere, and run on ${runtimes[0]?.name}`, bundles],
  ] as const) {
    console.log(`\n${title}`);
    for (const [name, { passed, output }] of column) {
      console.log(`${name.padEnd(36)} ${mark(passed)}`);
      cells++;
      if (passed !== true) failures.push(`--- ${title}: ${name}\n${output}`);
    }
  }
  for (const failure of failures) console.log(failure);
  console.log(`\n${cells - failures.length} of ${cells} cells passed`);
  if (failures.length > 0 || !typesPassed) process.exitCode = 1;
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

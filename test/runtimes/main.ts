/**
 * The runtime matrix: the packed package, installed into an empty project, on every supported Node line,
 * on Bun and Deno, and on musl and arm64 where that can be; installed with each package manager; and bundled with
 * each bundler. Prints tables and fails if any cell does.
 *
 * `npm run test:runtimes` runs the whole test suite too. After `--`:
 * - `--smoke` leaves that row out;
 * - `--suite-report FILE` takes the cell of the running Node from vitest's JSON report of a run on it;
 * - `--package FILE` takes a tarball of the package instead of building one.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, styleText } from 'node:util';
import { build } from 'esbuild';
import { tryBundles } from './bundles.ts';
import { execute } from './execute.ts';
import { tryInstalls } from './installs.ts';
import { packedProject } from './packed-project.ts';
import { rows, wholeSuite } from './rows.ts';
import { supportedRuntimes } from './runtimes.ts';
import { otherSystems } from './systems/systems.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

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
    if (!passed) console.log(output);
    allPassed &&= passed;
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
  const others = otherSystems(scratch);
  const columns = [...runtimes, ...others.filter((other) => 'command' in other)];
  const project = packedProject(scratch, values.package && resolve(values.package));
  await bundle(project.directory);
  const failures: string[] = [];
  const table: string[] = [];
  let cells = 0;
  for (const row of [...(values.smoke ? [] : [wholeSuite(values['suite-report'])]), ...rows]) {
    const marks: string[] = [];
    for (const runtime of columns) {
      const cell = row.appliesTo(runtime) ? await row.run(runtime, project) : undefined;
      if (cell !== undefined) cells++;
      if (cell?.passed === false) failures.push(`--- ${row.name} on ${runtime.name}\n${cell.output}`);
      marks.push(mark(cell?.passed) + ' '.repeat(Math.max(0, runtime.name.length - 3)));
    }
    table.push(`${row.name.padEnd(36)} ${marks.join('  ')}`);
  }
  const installs = await tryInstalls(scratch, project.tarball, runtimes);
  const bundles = await tryBundles(project.directory, scratch, runtimes);
  const typesPassed = await checkTypes(project.directory);
  console.log(`\n${' '.repeat(36)} ${columns.map(({ name }) => name).join('  ')}`);
  console.log(table.join('\n'));
  for (const other of others) {
    if ('reason' in other) console.log(`${other.name} was not run here: ${other.reason}`);
  }
  for (const [title, column] of [
    [`installed with, and tried on ${runtimes[0]?.name}`, installs],
    [`bundled with, copied elsewhere, and run on ${runtimes[0]?.name}`, bundles],
  ] as const) {
    console.log(`\n${title}`);
    for (const [name, { passed, output }] of column) {
      console.log(`${name.padEnd(36)} ${mark(passed)}`);
      cells++;
      if (!passed) failures.push(`--- ${title}: ${name}\n${output}`);
    }
  }
  for (const failure of failures) console.log(failure);
  console.log(`\n${cells - failures.length} of ${cells} cells passed`);
  if (failures.length > 0 || !typesPassed) process.exitCode = 1;
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

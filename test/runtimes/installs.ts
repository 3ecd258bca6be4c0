import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Cell, execute } from './execute.ts';
import type { Runtime } from './runtimes.ts';

/** A package manager with which the tarball is installed into an empty project. */
interface PackageManager {
  readonly name: string;
  /** The commands that install a package, given its file. */
  install(runtimes: readonly Runtime[], file: string): string[][];
  /** Files that the project has before. */
  readonly files?: Readonly<Record<string, string>>;
  /** What starts a program in the project, if it is not Node alone. */
  readonly start?: readonly string[];
}

const node = process.execPath;
const bin = (path: string) => fileURLToPath(new URL(`node_modules/${path}`, import.meta.url));
const commandOf = (runtimes: readonly Runtime[], kind: Runtime['kind'], major: number) =>
  runtimes.find((runtime) => runtime.kind === kind && runtime.major >= major)?.command ?? [node];

const yarn4 = [node, bin('yarn-4/bin/yarn.js')];
const yarn4With = (linker: string) => ({
  'yarn.lock': '',
  '.yarnrc.yml': `nodeLinker: ${linker}\nenableTelemetry: false\nenableGlobalCache: false\n`,
});
const quietly = ['--no-audit', '--no-fund'];

const npm11 = [node, bin('npm-11/bin/npm-cli.js')];
const add = (command: string[]) => (_: readonly Runtime[], file: string) => [[...command, file]];
const addWithYarn4 = (_: readonly Runtime[], file: string) => [
  [...yarn4, 'add', `tcp-keepalive@file:${file}`],
];

const packageManagers: readonly PackageManager[] = [
  { name: 'npm 10', install: add([node, bin('npm-10/bin/npm-cli.js'), 'install', ...quietly]) },
  { name: 'npm 11', install: add([...npm11, 'install', ...quietly]) },
  {
    name: 'npm 11, lockfile made for macOS',
    install: (_, file) => [
      [...npm11, 'install', ...quietly, '--package-lock-only', '--os=darwin', '--cpu=arm64', file],
      [...npm11, 'ci', ...quietly],
    ],
  },
  { name: 'pnpm 10', install: add([node, bin('pnpm-10/bin/pnpm.cjs'), 'add']) },
  {
    name: 'pnpm 11, which needs Node 22',
    install: (runtimes, file) => [
      [...commandOf(runtimes, 'node', 22), bin('pnpm-11/bin/pnpm.cjs'), 'add', file],
    ],
  },
  {
    name: 'Yarn 1',
    // Its own cache knows a file by its name and version only, and would give the package of an earlier run.
    install: (_, file) => [
      [node, bin('yarn-1/bin/yarn.js'), 'add', '--cache-folder', '.yarn-cache', `file:${file}`],
    ],
  },
  { name: 'Yarn 4, node_modules', files: yarn4With('node-modules'), install: addWithYarn4 },
  { name: 'Yarn 4, PnP', files: yarn4With('pnp'), install: addWithYarn4, start: [...yarn4, 'node'] },
  { name: 'Bun', install: (runtimes, file) => [[...commandOf(runtimes, 'bun', 1), 'add', file]] },
];

/** Installs the package with each package manager, as a user would, and tries it there on this Node. */
export async function tryInstalls(
  scratch: string,
  tarball: string,
  runtimes: readonly Runtime[],
): Promise<ReadonlyMap<string, Cell>> {
  const cells = new Map<string, Cell>();
  for (const [number, manager] of packageManagers.entries()) {
    const project = join(scratch, `install-${number}`);
    mkdirSync(project);
    const files = { 'package.json': '{ "name": "empty-project", "private": true }', ...manager.files };
    for (const [file, text] of Object.entries(files)) writeFileSync(join(project, file), text);
    cpSync(fileURLToPath(new URL('application', import.meta.url)), project, { recursive: true });
    const start = [...(manager.start ?? [node]), 'entry.cjs', 'full'];
    let cell: Cell | undefined;
    for (const command of [...manager.install(runtimes, tarball), start]) {
      // Package managers start Node again by its name.
      const path = [dirname(command[0] ?? node), process.env.PATH].join(delimiter);
      if (cell === undefined || cell.passed) cell = await execute(command, project, { PATH: path });
    }
    if (cell !== undefined) cells.set(manager.name, cell);
  }
  return cells;
}

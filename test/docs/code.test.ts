import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeWhereInstalled, describeWithServer } from '../helpers/describe-with-server.ts';
import { type Block, blocks } from '../helpers/pages.ts';
import { PATIENCE } from '../helpers/patience.ts';
import type { RunningServer, TestServer } from '../helpers/server-process.ts';
import { mariadb } from '../helpers/start-mariadb.ts';
import { postgres } from '../helpers/start-postgres.ts';
import { redis } from '../helpers/start-redis.ts';
import { packagesOf, typeCheck } from '../helpers/type-check.ts';

// Each ts or js block of a page is a complete ES module: it compiles alone, and it runs, unless its fence says why not.
//
//   ```ts                             is run, and must end by itself with exit code 0
//   ```ts needs DATABASE_URL          is run with this variable, which names a real server
//   ```ts not run: it serves for ever is compiled only
//   ```js not compiled: <reason>      is neither
//
// A block that imports a package of another folder's package.json, such as test/guides, is compiled if that is installed.

const root = fileURLToPath(new URL('../../', import.meta.url));
const folders = ['', 'test/guides/', 'test/drivers/more/'];
const code = blocks.filter(({ language }) => language === 'ts' || language === 'js');
const modules = code.filter(({ mark }) => !mark.startsWith('not compiled: ')).map(inFolder);

interface CodeBlock extends Block {
  readonly name: string;
  /** The folder whose packages it needs: the root, or one that has a package.json of its own. */
  readonly folder: string;
  readonly path: string;
}

function inFolder(block: Block): CodeBlock {
  const name = `${block.page}:${block.line}`;
  const packages = packagesOf(block.text);
  const folder =
    folders.find((each) => packages.every((name) => hasPackage(each, name))) ??
    'no folder of this repository/';
  return { ...block, name, folder, path: `${root}${folder}${name.replaceAll('/', '-')}.m${block.language}` };
}

/** Whether a package is declared by a folder's manifest, or by the root's, which is found from there too. */
function hasPackage(folder: string, name: string): boolean {
  return [folder, ''].some((each) => {
    const file = `${root}${each}package.json`;
    if (!existsSync(file)) return false;
    const { dependencies, devDependencies } = JSON.parse(readFileSync(file, 'utf8'));
    return name in { ...dependencies, ...devDependencies };
  });
}

function missing(folder: string): string | undefined {
  if (existsSync(`${root}${folder}node_modules`)) return undefined;
  return `the packages that it imports are not installed: npm ci --prefix ${folder}`;
}

describe('compiles alone under strict and exactOptionalPropertyTypes', () => {
  const mistakesIn = new Map<string, ReturnType<typeof typeCheck>>();

  for (const folder of folders) {
    const here = modules.filter((each) => each.folder === folder);
    if (here.length === 0) continue;
    describeWhereInstalled(`with the packages of ./${folder}`, { missing: () => missing(folder) }, () => {
      beforeAll(() => {
        mistakesIn.set(folder, typeCheck(here));
      });
      test.each(here)('$name', ({ path }) => {
        expect(mistakesIn.get(folder)?.(path)).toEqual([]);
      });
    });
  }

  test('and imports only what a package.json of this repository has', () => {
    expect(modules.filter(({ folder }) => !folders.includes(folder)).map(({ name }) => name)).toEqual([]);
  });

  test('finds a mistake in a block', () => {
    const path = `${root}mistake.mts`;
    const mistakesIn = typeCheck([
      {
        path,
        text: "import { presets } from 'tcp-keepalive';\nconst { a }: { a?: number } = { a: presets.none };",
      },
      { path: `${root}other.mts`, text: 'export const options: { a?: number } = { a: undefined };' },
    ]);
    expect(mistakesIn(path)).toEqual([expect.stringContaining("Property 'none' does not exist")]);
    expect(mistakesIn(`${root}other.mts`)).toEqual([expect.stringContaining('exactOptionalPropertyTypes')]);
  });
});

/** Servers by the variable that names them, as in examples/. */
const servers: { variable: string; server: TestServer; url(running: RunningServer): string }[] = [
  { variable: 'DATABASE_URL', server: postgres, url: (running) => databaseUrl('postgres', running) },
  { variable: 'MYSQL_URL', server: mariadb, url: (running) => databaseUrl('mysql', running) },
  {
    variable: 'REDIS_URL',
    server: redis,
    url: ({ host, port, password }) => `redis://:${password}@${host}:${port}`,
  },
];

function databaseUrl(scheme: string, { user, password, host, port, database }: RunningServer): string {
  return `${scheme}://${user}:${password}@${host}:${port}/${database}`;
}

describe('a fence', () => {
  const known = [
    '',
    'not run: .+',
    'not compiled: .+',
    ...servers.map(({ variable }) => `needs ${variable}`),
  ];
  test.each(code)('of $page:$line says how the block is run, or why not', ({ mark }) => {
    expect(mark).toMatch(new RegExp(`^(?:${known.join('|')})$`));
  });
});

describe('runs and ends', () => {
  const directory = mkdtempSync(join(tmpdir(), 'tcp-keepalive-docs-'));
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'));
  afterAll(() => rmSync(directory, { recursive: true }));
  const runnable = modules.filter(({ folder }) => folder === '');

  const run = async (block: CodeBlock, env: Record<string, string> = {}) => {
    const file = join(directory, `${block.name.replaceAll('/', '-')}.mjs`);
    await build({
      stdin: { contents: block.text, resolveDir: root, loader: block.language as 'ts' | 'js' },
      tsconfig: join(root, 'tsconfig.json'),
      absWorkingDir: root,
      outfile: file,
      bundle: true,
      packages: 'external',
      format: 'esm',
      platform: 'node',
      target: 'node20',
      logOverride: { 'empty-import-meta': 'silent' },
    });
    await promisify(execFile)(process.execPath, [file], {
      cwd: directory,
      env: { PATH: process.env.PATH, ...env },
      timeout: PATIENCE,
      killSignal: 'SIGKILL',
    });
  };

  test.each(runnable.filter(({ mark }) => mark === ''))('$name', (block) => run(block));

  for (const { variable, server, url } of servers) {
    const needing = runnable.filter(({ mark }) => mark === `needs ${variable}`);
    if (needing.length === 0) continue;
    describeWithServer(`with ${server.name}`, server, (running) => {
      test.each(needing)('$name', (block) => run(block, { [variable]: url(running()) }));
    });
  }
});

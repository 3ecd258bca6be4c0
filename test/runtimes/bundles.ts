import { cpSync, renameSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Cell, execute } from './execute.ts';
import type { Runtime } from './runtimes.ts';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const bin = (name: string) => here(`node_modules/.bin/${name}`);
const esbuild = here('../../node_modules/.bin/esbuild');

/** A bundler, the command that bundles the application, and what it makes. */
interface Bundler {
  readonly name: string;
  readonly command: readonly string[];
  readonly made: readonly string[];
  /** Whether what it makes holds koffi's package. */
  readonly isTraced?: boolean;
}

function bundlers(bun: readonly string[]): Bundler[] {
  const esbuildTo = (entry: string, format: string, outfile: string): Bundler => ({
    name: `esbuild, ${format === 'esm' ? 'ESM' : 'CommonJS'}`,
    command: [esbuild, entry, '--bundle', '--platform=node', `--format=${format}`, `--outfile=${outfile}`],
    made: [outfile],
  });
  return [
    esbuildTo('entry.mjs', 'esm', 'esbuild/esm.mjs'),
    esbuildTo('entry.cjs', 'cjs', 'esbuild/cjs.cjs'),
    {
      name: 'webpack 5, ESM and CommonJS',
      command: [bin('webpack'), '--config', 'webpack.config.mjs'],
      made: ['webpack/esm.mjs', 'webpack/cjs.cjs'],
    },
    {
      name: 'rollup, ESM and CommonJS',
      command: [bin('rollup'), '--config', 'rollup.config.mjs', '--failAfterWarnings'],
      made: ['rollup/esm.mjs', 'rollup/cjs.cjs'],
    },
    { name: 'Vite SSR', command: [bin('vite'), 'build'], made: ['vite/ssr.mjs'] },
    {
      name: 'bun build',
      command: [...bun, 'build', 'entry.mjs', '--target=node', '--outfile=bun/esm.mjs'],
      made: ['bun/esm.mjs'],
    },
    {
      name: '@vercel/nft, ESM and CommonJS',
      command: [process.execPath, 'trace.mjs'],
      made: ['traced/entry.mjs', 'traced/entry.cjs'],
      isTraced: true,
    },
  ];
}

/**
 * Bundles an application with each bundler, and runs what it made on this Node, from another folder: with koffi's
 * package beside it, where all has to work, and alone, where Node's own call has to do. What @vercel/nft traced
 * holds koffi's package.
 */
export async function tryBundles(
  project: string,
  scratch: string,
  runtimes: readonly Runtime[],
): Promise<ReadonlyMap<string, Cell>> {
  const all = bundlers(runtimes.find(({ kind }) => kind === 'bun')?.command ?? ['bun']);
  const cells = new Map<string, Cell>();
  const application = applicationFrom(project, scratch);
  for (const { name, command } of all) cells.set(name, await execute(command, application));

  // Nothing is left where it was bundled.
  const away = join(scratch, 'away');
  renameSync(application, away);
  const runEach = async (folder: string, mode: (bundler: Bundler) => string | undefined) => {
    for (const bundler of all) {
      for (const file of mode(bundler) === undefined ? [] : bundler.made) {
        if (cells.get(bundler.name)?.passed !== true) continue;
        const command = [process.execPath, ...withoutFfi, file, mode(bundler) ?? ''];
        cells.set(bundler.name, await execute(command, folder));
      }
    }
  };
  const modules = join(away, 'node_modules');
  const moved = join(scratch, 'moved');
  cpSync(away, moved, { recursive: true, filter: (file) => file !== modules });
  await runEach(moved, ({ isTraced }) => (isTraced ? 'full' : 'fallback'));
  cpSync(join(modules, '@koromix'), join(moved, 'node_modules/@koromix'), { recursive: true });
  await runEach(moved, ({ isTraced }) => (isTraced ? undefined : 'full'));
  return cells;
}

function applicationFrom(project: string, scratch: string): string {
  const application = join(scratch, 'application');
  cpSync(project, application, { recursive: true });
  for (const folder of ['application', 'bundlers']) cpSync(here(folder), application, { recursive: true });
  // The configurations import these.
  for (const name of ['@rollup', '@vercel', 'vite']) {
    symlinkSync(here(`node_modules/${name}`), join(application, 'node_modules', name));
  }
  return application;
}

// From Node 26 on, Node's own FFI would make the calls without koffi.
const withoutFfi = process.allowedNodeEnvironmentFlags.has('--allow-ffi') ? ['--no-experimental-ffi'] : [];

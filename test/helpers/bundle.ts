import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { PATIENCE } from './patience.ts';

export interface Bundle {
  /** The package as one ESM file: its URL. */
  readonly esm: string;
  /** The package as one CommonJS file: its path. */
  readonly cjs: string;
  /**
   * Runs an ESM program beside the bundles in a process of its own, and returns the value that it passed to
   * `tell()`. In it `connect()` makes a connected socket on loopback. What is open after `tell()` is closed.
   */
  run(program: string, flags?: readonly string[]): Promise<unknown>;
  remove(): void;
}

const root = fileURLToPath(new URL('../..', import.meta.url));

const common = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target: 'node20',
  // In CommonJS import.meta is empty, which the loader of koffi handles.
  logOverride: { 'empty-import-meta': 'silent' },
} as const;

/** Bundles a source file with all that it imports but koffi. */
export async function bundleFile(entry: string, outfile: string, format: 'esm' | 'cjs'): Promise<void> {
  await build({ ...common, entryPoints: [entry], outfile, format });
}

/** Bundles a source file as ESM, with a file for each part that it loads later. The entry keeps its name. */
export async function bundleInParts(entry: string, outdir: string): Promise<void> {
  await build({
    ...common,
    entryPoints: [entry],
    outdir,
    format: 'esm',
    splitting: true,
    outExtension: { '.js': '.mjs' },
  });
}

/**
 * Bundles the package into one file, in a directory of its own: alone, or with koffi's package for this
 * system beside it, or with `koffi` itself.
 */
export async function bundle({ koffi }: { koffi: boolean | 'koffi' }): Promise<Bundle> {
  const directory = mkdtempSync(path.join(tmpdir(), 'tcp-keepalive-'));
  const esm = path.join(directory, 'bundle.mjs');
  const cjs = path.join(directory, 'bundle.cjs');
  await bundleFile('src/index.ts', esm, 'esm');
  await bundleFile('src/index.ts', cjs, 'cjs');
  if (koffi) link(koffi === true ? platformPackage : koffi, directory);
  let programs = 0;
  return {
    esm: pathToFileURL(esm).href,
    cjs,
    async run(program, flags = []) {
      const file = path.join(directory, `program-${++programs}.mjs`);
      writeFileSync(file, prologue + program);
      const { stdout } = await promisify(execFile)(process.execPath, [...flags, file], { timeout: PATIENCE });
      return JSON.parse(stdout);
    },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

/** koffi's package for this system. */
export const platformPackage: string = `@koromix/koffi-${process.platform}-${process.arch}`;

function link(name: string, directory: string): void {
  const installed = path.dirname(createRequire(import.meta.url).resolve(name));
  const place = path.join(directory, 'node_modules', name);
  mkdirSync(path.dirname(place), { recursive: true });
  symlinkSync(installed, place, 'junction');
}

const prologue = `
import { once } from 'node:events';
import { createRequire } from 'node:module';
import net from 'node:net';

const require = createRequire(import.meta.url);

async function connect() {
  const listener = net.createServer((accepted) => accepted.unref()).listen(0, '127.0.0.1');
  listener.unref();
  await once(listener, 'listening');
  const socket = net.connect(listener.address().port, '127.0.0.1');
  await once(socket, 'connect');
  return socket;
}

function tell(told) {
  process.stdout.write(JSON.stringify(told), () => process.exit());
}

function told(call) {
  try {
    return call();
  } catch ({ code, message, cause }) {
    return { code, message, cause: cause && { code: cause.code, message: cause.message } };
  }
}
`;

import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Absent, describe, type Runtime } from '../runtimes.ts';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

const SYSROOT = '/usr/aarch64-linux-gnu';

/** Bun for musl, and Node for arm64 in qemu-user. They are tried on Linux x64, where Debian's packages are installed. */
export function otherSystems(scratch: string): (Runtime | Absent)[] {
  return [tryToDescribe('Bun, musl', () => musl(scratch)), tryToDescribe('Node, arm64', arm64)];
}

function tryToDescribe(name: string, runtime: () => Runtime): Runtime | Absent {
  try {
    if (process.arch !== 'x64') throw new Error(`it needs Linux x64, and this is ${process.arch}`);
    return runtime();
  } catch (error) {
    return { name, reason: (error as Error).message };
  }
}

function musl(scratch: string): Runtime {
  expectInstalled(existsSync('/lib/ld-musl-x86_64.so.1') && runs('cc'), 'musl gcc libc6-dev');
  const libraries = join(scratch, 'musl');
  mkdirSync(libraries);
  for (const library of ['libstdc++.so.6', 'libgcc_s.so.1']) {
    const path = execFileSync('cc', [`-print-file-name=${library}`], { encoding: 'utf8' }).trim();
    copyFileSync(path, join(libraries, library));
  }
  // These libraries name glibc's loader as one that they need.
  const made = join(libraries, 'ld-linux-x86-64.so.2');
  execFileSync('cc', ['-shared', '-fPIC', '-nostdlib', '-o', made, here('glibc.c')]);
  return describe('bun', [here('node_modules/bun-musl/bin/bun')], {
    system: 'musl',
    env: { LD_LIBRARY_PATH: libraries },
  });
}

function arm64(): Runtime {
  const isComplete = existsSync(join(SYSROOT, 'lib/libstdc++.so.6')) && runs('qemu-aarch64');
  expectInstalled(isComplete, 'qemu-user libstdc++6-arm64-cross');
  const command = ['qemu-aarch64', '-L', SYSROOT, here('node_modules/node-arm64/bin/node')];
  return describe('node', command, { system: 'arm64' });
}

function runs(command: string): boolean {
  return spawnSync(command, ['--version']).error === undefined;
}

function expectInstalled(isInstalled: boolean, packages: string): void {
  if (!isInstalled) throw new Error(`apt-get install ${packages}`);
}

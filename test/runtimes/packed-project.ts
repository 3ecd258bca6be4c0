import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { npm } from './runtimes.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Empty projects into which the packed tarball was installed, as a user would. */
export interface PackedProject {
  /** The package's file. */
  tarball: string;
  directory: string;
  /** Installed with `--omit=optional`, which leaves koffi out. */
  withoutKoffi: string;
  /** Installed for a machine with arm64. */
  forArm64(): string;
}

/** Installs a tarball of the package below `directory`, or builds and packs one if none is given. */
export function packedProject(directory: string, tarball: string = packed(directory)): PackedProject {
  let arm64: string | undefined;
  return {
    tarball,
    directory: installed(tarball, join(directory, 'project')),
    withoutKoffi: installed(tarball, join(directory, 'without-koffi'), '--omit=optional'),
    forArm64: () => (arm64 ??= installed(tarball, join(directory, 'arm64'), '--os=linux', '--cpu=arm64')),
  };
}

function packed(directory: string): string {
  npm(['run', 'build'], root);
  const archive = npm(['pack', '--silent', '--ignore-scripts', '--pack-destination', directory], root).trim();
  return join(directory, archive);
}

/** A new project with the package and the programs that try it. */
function installed(tarball: string, project: string, ...flags: string[]): string {
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'empty-project', private: true }));
  npm(['install', '--no-audit', '--no-fund', ...flags, tarball], project);
  for (const folder of ['smoke', 'application', 'consumers']) {
    cpSync(fileURLToPath(new URL(folder, import.meta.url)), join(project, folder), { recursive: true });
  }
  cpSync(join(root, 'examples/testing'), join(project, 'testing'), { recursive: true });
  return project;
}

import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { npm } from './runtimes.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** An empty project into which the packed tarball was installed, as a user would. */
export interface PackedProject {
  directory: string;
  /** A copy in which koffi was left out, as with `npm install --omit=optional`. */
  withoutKoffi: string;
}

/** Builds, packs and installs the package below `directory`. Install scripts are not run: users need none. */
export function packedProject(directory: string): PackedProject {
  npm(['run', 'build'], root);
  const archive = npm(['pack', '--silent', '--ignore-scripts', '--pack-destination', directory], root).trim();
  const project = join(directory, 'project');
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'empty-project', private: true }));
  npm(['install', '--ignore-scripts', '--no-audit', '--no-fund', join(directory, archive)], project);
  for (const folder of ['smoke', 'consumers']) {
    cpSync(fileURLToPath(new URL(folder, import.meta.url)), join(project, folder), { recursive: true });
  }
  const withoutKoffi = join(directory, 'without-koffi');
  cpSync(project, withoutKoffi, { recursive: true });
  // --omit=optional leaves koffi's own code and takes away its binaries.
  rmSync(join(withoutKoffi, 'node_modules', '@koromix'), { recursive: true, force: true });
  return { directory: project, withoutKoffi };
}

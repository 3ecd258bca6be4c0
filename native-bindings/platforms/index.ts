import os from 'node:os';
import { darwin } from './darwin.ts';
import { freebsd } from './freebsd.ts';
import { linux, linuxMips } from './linux.ts';
import { netbsd } from './netbsd.ts';
import { openbsd } from './openbsd.ts';
import { illumos, solaris } from './sunos.ts';
import type { OptionEntry, OptionTable } from './table.ts';
import { win32 } from './win32.ts';

/** Every table, by `process.platform`. */
export const platforms: Readonly<Partial<Record<NodeJS.Platform, OptionTable>>> = {
  android: linux,
  darwin,
  freebsd,
  linux,
  netbsd,
  openbsd,
  sunos: illumos,
  win32,
};

/** The table of a system, frozen, or `undefined` if there is none: another system's would be wrong. */
export function platformTable(
  platform: NodeJS.Platform = process.platform,
  arch: string = process.arch,
  version: string = os.version(),
): OptionTable | undefined {
  if (platform === 'linux' && isOfBerkeley(arch)) return frozen(linuxMips);
  const table = platform === 'sunos' ? tableOfSunos(version) : platforms[platform];
  return table && frozen(table);
}

/**
 * Node calls two systems `sunos` that number these options differently. Oracle's version is a number, such as
 * `11.4.42.111.0`, and a distribution of illumos has its name there, such as `omnios-r151050-2d8f2e0e3f`. Any other gets
 * no table, because the numbers of the one mean other options of the other.
 */
function tableOfSunos(version: string): OptionTable | undefined {
  if (/^11\.[4-9]/.test(version)) return solaris;
  return /^(illumos|omnios|joyent|tribblix)/.test(version) ? illumos : undefined;
}

/** Whether Linux took the socket level's numbers from an older Unix, as on MIPS and SPARC. */
function isOfBerkeley(arch: string): boolean {
  return arch.startsWith('mips') || arch.startsWith('sparc');
}

/** Freezes a table, whose numbers go to the kernel unchecked. Freezing all would delay every import. */
function frozen(table: OptionTable): OptionTable {
  for (const entry of Object.values(table)) freeze(entry);
  return Object.freeze(table);
}

function freeze(entry: OptionEntry): void {
  if (entry.older !== undefined) freeze(entry.older);
  if (entry.also !== undefined) Object.freeze(entry.also).forEach(freeze);
  Object.freeze(entry);
}

import { darwin } from './darwin.ts';
import { freebsd } from './freebsd.ts';
import { linux, linuxMips } from './linux.ts';
import { netbsd } from './netbsd.ts';
import { openbsd } from './openbsd.ts';
import { sunos } from './sunos.ts';
import type { OptionTable } from './table.ts';
import { win32 } from './win32.ts';

/** Every table, by `process.platform`. */
export const platforms: Readonly<Partial<Record<NodeJS.Platform, OptionTable>>> = {
  android: linux,
  darwin,
  freebsd,
  linux,
  netbsd,
  openbsd,
  sunos,
  win32,
};

/** The table of a system, frozen, or `undefined` if there is none: another system's would be wrong. */
export function platformTable(
  platform: NodeJS.Platform = process.platform,
  arch: string = process.arch,
): OptionTable | undefined {
  if (platform === 'linux' && isOfBerkeley(arch)) return frozen(linuxMips);
  const table = platforms[platform];
  return table && frozen(table);
}

/** Whether Linux took the socket level's numbers from an older Unix, as on MIPS and SPARC. */
function isOfBerkeley(arch: string): boolean {
  return arch.startsWith('mips') || arch.startsWith('sparc');
}

/** Freezes a table, whose numbers go to the kernel unchecked. Freezing all would delay every import. */
function frozen(table: OptionTable): OptionTable {
  for (const entry of Object.values(table)) Object.freeze(entry);
  return Object.freeze(table);
}

import { darwin } from './darwin.ts';
import { freebsd } from './freebsd.ts';
import { linux, linuxMips } from './linux.ts';
import { netbsd } from './netbsd.ts';
import { openbsd } from './openbsd.ts';
import { sunos } from './sunos.ts';
import type { OptionTable } from './table.ts';
import { win32 } from './win32.ts';

/** Every table, by the name that `process.platform` gives its system. */
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

/** The table of a system, frozen, or `undefined` where nobody has written one: never another system's. */
export function platformTable(
  platform: NodeJS.Platform = process.platform,
  arch: string = process.arch,
): OptionTable | undefined {
  if (platform === 'linux' && isOfBerkeley(arch)) return frozen(linuxMips);
  const table = platforms[platform];
  return table && frozen(table);
}

/** Linux took these architectures' numbers from the systems that were there before it. */
function isOfBerkeley(arch: string): boolean {
  return arch.startsWith('mips') || arch.startsWith('sparc');
}

/** Its numbers go to the kernel unchecked. Only the one in use, since all would delay every import. */
function frozen(table: OptionTable): OptionTable {
  for (const entry of Object.values(table)) Object.freeze(entry);
  return Object.freeze(table);
}

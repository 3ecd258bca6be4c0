import { existsSync } from 'node:fs';

const entry = new URL('../drivers/tedious/node_modules/tedious/lib/tedious.js', import.meta.url);

/** tedious lies in a package of its own, test/drivers/tedious, which not everybody installs. */
export const tediousPackage = {
  /** Why tests of it cannot run, and what installs it; undefined if they can. */
  missing: (): string | undefined =>
    existsSync(entry) ? undefined : 'tedious is not installed: npm ci --prefix test/drivers/tedious',
  /** For programs outside of the checkout. */
  url: entry.href as string,
};

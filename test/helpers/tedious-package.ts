import { existsSync } from 'node:fs';

const entry = new URL('../drivers/tedious/node_modules/tedious/lib/tedious.js', import.meta.url);

/** tedious is in a package of its own, test/drivers/tedious, which may not be installed. */
export const tediousPackage = {
  /** The reason why its tests cannot run and what installs it, or `undefined`. */
  missing: (): string | undefined =>
    existsSync(entry) ? undefined : 'tedious is not installed: npm ci --prefix test/drivers/tedious',
  /** The path for programs outside the checkout. */
  url: entry.href as string,
};

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const folder = new URL('../drivers/more/', import.meta.url);

/** A driver that is large, or a version beside the newest, is in test/drivers/more, which may not be installed. */
export interface DriverPackage {
  /** The reason why its tests cannot run and what installs it, or `undefined`. */
  missing(): string | undefined;
  /** Where its CommonJS entry is, also for programs outside the checkout. */
  url(): string;
}

export function driverPackage(name: string): DriverPackage {
  return {
    missing: () =>
      existsSync(new URL(`node_modules/${name}/package.json`, folder))
        ? undefined
        : `${name} is not installed: npm ci --prefix test/drivers/more`,
    url: () => pathToFileURL(createRequire(new URL('package.json', folder)).resolve(name)).href,
  };
}

import { createRequire } from 'node:module';
import { onTestFinished, vi } from 'vitest';

export type Package = typeof import('../../src/index.ts');

// koffi asks for the platform too, but only when it is loaded first.
createRequire(import.meta.url)('koffi');

const own = Object.getOwnPropertyDescriptor(process, 'platform') ?? {};

/** The package as another platform would evaluate it. `process.platform` keeps that name until the test ends. */
export async function packageOn(platform: string): Promise<Package> {
  onTestFinished(() => {
    Object.defineProperty(process, 'platform', own);
    vi.resetModules();
  });
  vi.resetModules();
  Object.defineProperty(process, 'platform', { ...own, value: platform });
  return import('../../src/index.ts');
}

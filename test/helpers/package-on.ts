import { createRequire } from 'node:module';
import { onTestFinished, vi } from 'vitest';
import { loadLibc } from '../../native-bindings/libc.ts';

export type Package = typeof import('../../src/index.ts');

// koffi reads the platform too, but only when it is first loaded.
createRequire(import.meta.url)('koffi');
// The helpers that ask the kernel do so as on this system.
loadLibc();

const own = Object.getOwnPropertyDescriptor(process, 'platform') ?? {};

/** Imports the package as on another platform, which `process.platform` names until the test ends. */
export async function packageOn(platform: string): Promise<Package> {
  onTestFinished(() => {
    Object.defineProperty(process, 'platform', own);
    vi.resetModules();
  });
  vi.resetModules();
  Object.defineProperty(process, 'platform', { ...own, value: platform });
  return import('../../src/index.ts');
}

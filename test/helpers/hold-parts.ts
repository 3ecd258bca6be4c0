import { vi } from 'vitest';
import { loadLibc } from '../../native-bindings/libc.ts';
import { linux } from '../../native-bindings/platforms/linux.ts';

/** The preset `database`, in the form of `kernelValues`. */
export const databaseInKernel = '1:10/5/3 24500';

/** The result of a driver's `socket.setKeepAlive(true, 33_000)` without a hold. */
export const driverInKernel = '1:33/1/10';

// Captured here, so that a test's fake timers do not stop the test.
const immediate = globalThis.setImmediate;

/** Waits until everything that was deferred with `setImmediate` has run. */
export function soonAfter(): Promise<void> {
  return new Promise((resolve) => immediate(() => immediate(resolve)));
}

/** The kernel's names of the options that `fn` sets, in order. */
export function optionsSetBy(fn: () => void): string[] {
  const setsockopt = vi.spyOn(loadLibc(), 'setsockopt');
  try {
    fn();
    return setsockopt.mock.calls.map(([, level, name]) => constantOf(level, name));
  } finally {
    setsockopt.mockRestore();
  }
}

function constantOf(level: number, name: number): string {
  const entry = Object.values(linux).find((row) => row.level === level && row.name === name);
  return entry?.constant ?? `${level}/${name}`;
}

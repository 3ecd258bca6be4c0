import { onTestFinished, vi } from 'vitest';

/** Lets koffi fail to load with this error, for modules that are imported afterwards and until the test ends. */
export function missingKoffi(error: Error): void {
  vi.doMock('../../native-bindings/libc.ts', () => ({
    CAPACITY: 512,
    loadLibc() {
      throw error;
    },
  }));
  onTestFinished(() => {
    vi.doUnmock('../../native-bindings/libc.ts');
    vi.resetModules();
  });
}

import { onTestFinished, vi } from 'vitest';

/** Makes koffi fail to load with this error, for modules imported afterwards, until the test ends. */
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

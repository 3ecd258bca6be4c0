import type net from 'node:net';
import { onTestFinished, vi } from 'vitest';
import { hideDescriptor } from './hide-descriptor.ts';
import { type Package, packageOn } from './package-on.ts';
import { type RecordedLibc, recordedLibc } from './recorded-libc.ts';

/** The package as on Windows, where Node hides descriptors and libuv shows them: the walk is real, Winsock is recorded. */
export async function fakeWindows(
  ...sockets: net.Socket[]
): Promise<{ lib: Package; winsock: RecordedLibc }> {
  const winsock = recordedLibc();
  const lib = await packageOn('win32');
  sockets.forEach(hideDescriptor);
  return { lib, winsock };
}

/** Makes libuv's handles unreachable until the test ends, as in a worker thread on Windows. */
export function hideHandles(): void {
  vi.doMock('../../native-bindings/libuv.ts', () => ({
    bindLibuv() {
      throw new Error('Node shows the event loop of a worker thread from 26.11 on');
    },
  }));
  onTestFinished(() => {
    vi.doUnmock('../../native-bindings/libuv.ts');
    vi.resetModules();
  });
}

import { expect, onTestFinished, test, vi } from 'vitest';
import { readCookie } from '../../src/kernel/cookie.ts';
import { connection } from '../helpers/connection.ts';
import { fdOf } from '../helpers/raw-options.ts';

test.runIf(process.platform === 'linux')('a socket has a number of its own, and keeps it', async () => {
  const [one, other] = [fdOf(await connection()), fdOf(await connection())];
  expect(readCookie(one)).toBeGreaterThan(0);
  expect(readCookie(one)).toBe(readCookie(one));
  expect(readCookie(one)).not.toBe(readCookie(other));
});

test('the number has 64 bits, the low word first and both unsigned', async () => {
  const getStructure = vi.fn(() => ({ words: new Int32Array([-2, 3]) }));
  vi.resetModules();
  vi.doMock('../../native-bindings/sockopt.ts', () => ({ getStructure }));
  onTestFinished(() => {
    vi.doUnmock('../../native-bindings/sockopt.ts');
    vi.resetModules();
  });
  const { readCookie: read } = await import('../../src/kernel/cookie.ts');
  expect(read(7)).toBe(3 * 2 ** 32 + (2 ** 32 - 2));
  getStructure.mockReturnValue({ words: new Int32Array([3, -2]) });
  expect(read(7)).toBe((2 ** 32 - 2) * 2 ** 32 + 3);
  // SOL_SOCKET and SO_COOKIE of Linux.
  expect(getStructure).toHaveBeenCalledWith(7, expect.objectContaining({ level: 1, name: 57 }));
});

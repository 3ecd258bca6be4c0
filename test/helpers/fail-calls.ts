import { onTestFinished, vi } from 'vitest';
import { loadLibc } from '../../native-bindings/libc.ts';

/** Makes every `setsockopt` of one option fail until the test ends. */
export function failCallsOf(name: number, errno: number): void {
  const libc = loadLibc();
  const { setsockopt } = libc;
  const set = vi
    .spyOn(libc, 'setsockopt')
    .mockImplementation((fd, level, option) => (option === name ? -1 : setsockopt(fd, level, option)));
  const failure = vi.spyOn(libc, 'errno').mockReturnValue(errno);
  onTestFinished(() => {
    set.mockRestore();
    failure.mockRestore();
  });
}

import { constants } from 'node:os';
import { onTestFinished, vi } from 'vitest';
import type { Libc } from '../../native-bindings/libc.ts';

/** A call of `setsockopt`. */
export interface RecordedCall {
  readonly level: number;
  readonly name: number;
  readonly value: number;
}

export interface RecordedLibc {
  readonly calls: RecordedCall[];
  /** The descriptors of these calls. */
  readonly descriptors: number[];
  /** The values that `getsockopt` returns, by option number; 0 for others. */
  readonly answers: Map<number, number>;
  /** The `errno` with which an option's calls fail, by option number. */
  readonly failures: Map<number, number>;
}

/**
 * Replaces the C library, for modules imported afterwards and until the test ends, by one that records its
 * calls: the kernel of another system, as far as this package knows it.
 */
export function recordedLibc(): RecordedLibc {
  const memory = new Int32Array(2);
  const recorded: RecordedLibc = { calls: [], descriptors: [], answers: new Map(), failures: new Map() };
  let errno = 0;
  const outcome = (name: number) => {
    errno = recorded.failures.get(name) ?? 0;
    return errno === 0 ? 0 : -1;
  };
  const libc: Libc = {
    library: 'koffi',
    memory,
    bytes: new Uint8Array(memory.buffer),
    lengthIndex: 1,
    setsockopt(fd, level, name) {
      recorded.descriptors.push(fd);
      recorded.calls.push({ level, name, value: memory[0] ?? 0 });
      return outcome(name);
    },
    getsockopt(_fd, _level, name) {
      memory[0] = recorded.answers.get(name) ?? 0;
      return outcome(name);
    },
    recv: () => 0,
    poll: () => 0,
    errno: () => errno,
    errorNumbers: constants.errno,
  };
  vi.doMock('../../native-bindings/libc.ts', () => ({ CAPACITY: 4, loadLibc: () => libc }));
  onTestFinished(() => {
    vi.doUnmock('../../native-bindings/libc.ts');
    vi.resetModules();
  });
  return recorded;
}

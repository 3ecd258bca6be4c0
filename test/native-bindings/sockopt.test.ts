import { closeSync, openSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { CAPACITY } from '../../native-bindings/libc.ts';
import { linux } from '../../native-bindings/platforms/linux.ts';
import type { OptionEntry } from '../../native-bindings/platforms/table.ts';
import { fromKernel, getOption, getStructure, setOption, toKernel } from '../../native-bindings/sockopt.ts';
import { isSystemCallError } from '../../native-bindings/system-error.ts';
import { connectedPair } from '../helpers/connected-pair.ts';
import { fdOf } from '../helpers/raw-options.ts';

const inSeconds: OptionEntry = { level: 6, name: 4, unit: 'second', constant: 'TCP_KEEPIDLE' };
const inMilliseconds: OptionEntry = { level: 6, name: 18, unit: 'millisecond', constant: 'TCP_USER_TIMEOUT' };
const plain: OptionEntry = { level: 6, name: 6, unit: 'none', constant: 'TCP_KEEPCNT' };

describe('units', () => {
  test.each([
    { entry: inSeconds, value: 1_000, kernel: 1 },
    { entry: inSeconds, value: 1_001, kernel: 2 },
    { entry: inSeconds, value: 1_500, kernel: 2 },
    { entry: inSeconds, value: 1_999.5, kernel: 2 },
    { entry: inSeconds, value: 0, kernel: 0 },
    { entry: inMilliseconds, value: 1_500, kernel: 1_500 },
    { entry: inMilliseconds, value: 1_500.2, kernel: 1_501 },
    { entry: plain, value: 3, kernel: 3 },
  ])('$value is $kernel to a kernel that counts in $entry.unit', ({ entry, value, kernel }) => {
    expect(toKernel(entry, value)).toBe(kernel);
  });

  test.each([
    { entry: inSeconds, kernel: 7_200, value: 7_200_000 },
    { entry: inMilliseconds, kernel: 250, value: 250 },
    { entry: plain, kernel: 9, value: 9 },
  ])('$kernel in $entry.unit is $value to people', ({ entry, kernel, value }) => {
    expect(fromKernel(entry, kernel)).toBe(value);
  });
});

describe.runIf(process.platform === 'linux')('system calls', () => {
  const { count = plain } = linux;

  test('an option reads back what was set', async ({ onTestFinished }) => {
    const { client, server, close } = await connectedPair();
    onTestFinished(close);
    expect(getOption(fdOf(client), count)).not.toBe(5);
    setOption(fdOf(client), count, 5);
    expect(getOption(fdOf(client), count)).toBe(5);
    expect(getOption(fdOf(server), count)).not.toBe(5);
  });

  test('a value out of range is refused, named and changes nothing', async ({ onTestFinished }) => {
    const { client, close } = await connectedPair();
    onTestFinished(close);
    setOption(fdOf(client), count, 5);
    expect(() => setOption(fdOf(client), count, 128)).toThrow(
      expect.objectContaining({
        code: 'EINVAL',
        errno: -22,
        syscall: 'setsockopt',
        option: 'TCP_KEEPCNT',
        message: 'setsockopt TCP_KEEPCNT failed: EINVAL',
      }),
    );
    expect(getOption(fdOf(client), count)).toBe(5);
  });

  test('a negative number arrives negative', async ({ onTestFinished }) => {
    const { client, close } = await connectedPair();
    onTestFinished(close);
    expect(() => setOption(fdOf(client), inMilliseconds, -1)).toThrow(
      expect.objectContaining({ code: 'EINVAL' }),
    );
  });

  test('a descriptor that is not open is EBADF', () => {
    const failure = { code: 'EBADF', errno: -9, option: 'TCP_KEEPCNT' };
    expect(() => setOption(-1, count, 3)).toThrow(
      expect.objectContaining({ ...failure, syscall: 'setsockopt' }),
    );
    expect(() => getOption(-1, count)).toThrow(
      expect.objectContaining({ ...failure, syscall: 'getsockopt' }),
    );
    expect(() => getStructure(-1, { level: 6, name: 11, constant: 'TCP_KEEPCNT' })).toThrow(
      expect.objectContaining({ ...failure, syscall: 'getsockopt' }),
    );
  });

  test('a file is ENOTSOCK', ({ onTestFinished }) => {
    const fd = openSync('/dev/null', 'r');
    onTestFinished(() => closeSync(fd));
    expect(() => getOption(fd, count)).toThrow(expect.objectContaining({ code: 'ENOTSOCK' }));
  });

  test('an option that the kernel does not know is ENOPROTOOPT', async ({ onTestFinished }) => {
    const { client, close } = await connectedPair();
    onTestFinished(close);
    const unknown: OptionEntry = { level: 6, name: 9_999, unit: 'none', constant: 'TCP_NOTHING' };
    expect(() => setOption(fdOf(client), unknown, 1)).toThrow(
      expect.objectContaining({ code: 'ENOPROTOOPT', option: 'TCP_NOTHING' }),
    );
  });

  test('a structure comes with as many bytes as the kernel knows', async ({ onTestFinished }) => {
    const { client, close } = await connectedPair();
    onTestFinished(close);
    const { bytes, words, length } = getStructure(fdOf(client), { level: 6, name: 11, constant: 'TCP_INFO' });
    expect(length).toBeGreaterThanOrEqual(104);
    expect(length).toBeLessThanOrEqual(CAPACITY);
    expect(bytes[0]).toBe(1);
    expect(words.buffer).toBe(bytes.buffer);
  });
});

test('only an error of a system call is taken for one', () => {
  let thrown: unknown;
  try {
    getOption(-1, plain);
  } catch (error) {
    thrown = error;
  }
  expect(isSystemCallError(thrown)).toBe(true);
  expect(isSystemCallError(Object.assign(new Error('read ECONNRESET'), { syscall: 'read' }))).toBe(false);
  expect(isSystemCallError({ syscall: 'setsockopt', option: 'TCP_KEEPCNT' })).toBe(false);
});

import { describe, expect, test } from 'vitest';
import { isReadBack, onlyTunes, optionNames } from '../../src/options/options.ts';

test('a connection works as asked without one option only', () => {
  expect(optionNames.filter(onlyTunes)).toEqual(['maxRetransmitInterval']);
});

describe('a value is read back as it was set', () => {
  test.each([
    { name: 'enable', set: true, read: true, is: true },
    { name: 'enable', set: true, read: false, is: false },
    { name: 'interval', set: 5_000, read: 5_000, is: true },
    { name: 'interval', set: 5_000, read: 5_004, is: false },
  ] as const)('$name of $set as $read: $is', ({ name, set, read, is }) => {
    expect(isReadBack(name, set, read)).toBe(is);
  });

  test.each([
    { read: 4_999, is: false },
    { read: 5_000, is: true },
    { read: 5_009, is: true },
    { read: 5_010, is: false },
  ])('but for a tick of the kernel’s clock: maxRetransmitInterval of 5000 as $read: $is', ({ read, is }) => {
    expect(isReadBack('maxRetransmitInterval', 5_000, read)).toBe(is);
  });
});

import { describe, expect, test } from 'vitest';
import { UsageError } from '../../src/cli/usage-error.ts';
import { exactTime, formatTime, parsePath, parseTime, parseWhole } from '../../src/cli/values.ts';
import { pathIdleLimits } from '../../src/predict/paths.ts';

describe('a time', () => {
  test.each([
    ['30s', 30_000],
    ['1m30s', 90_000],
    ['500ms', 500],
    ['1500', 1_500],
    ['2h', 7_200_000],
    ['1d', 86_400_000],
    ['1.5s', 1_500],
  ])('%s is %d ms', (text, ms) => {
    expect(parseTime('--detect', text)).toBe(ms);
  });

  test.each([
    [0, '0s'],
    [204, '204ms'],
    [24_500, '24.5s'],
    [119_999, '120s'],
    [929_000, '15m29s'],
    [7_875_000, '2h11m'],
    [432_000_000, '5d'],
    [Infinity, 'never'],
  ])('of %d ms reads %s', (ms, text) => {
    expect(formatTime(ms)).toBe(text);
  });

  test.each([
    [500, '500ms'],
    [24_500, '24.5s'],
    [543_500, '9m3.5s'],
    [5_748_000, '1h35m48s'],
    [7_200_000, '2h'],
    [2_147_483_647, '24d20h31m23.647s'],
  ])('of %d ms is exactly %s', (ms, text) => {
    expect(exactTime(ms)).toBe(text);
    expect(parseTime('--detect', text)).toBe(ms);
  });
});

describe('a path', () => {
  test.each(Object.keys(pathIdleLimits))('is %s', (name) => {
    expect(parsePath('--path', name)).toBe(name);
  });

  test('is the time after which it forgets a connection', () => {
    expect(parsePath('--path', '350s')).toBe(350_000);
  });
});

test.each(['', '-1', '1.5', '1e3', '1234567890123456'])('%j is no whole number', (text) => {
  expect(() => parseWhole('--connections', text)).toThrow(
    new UsageError(`Expected \`--connections\` to be a whole number, got \`${text}\``),
  );
});

import { describe, expect, test } from 'vitest';
import { UsageError } from '../../src/cli/usage-error.ts';
import { formatTime, parsePath, parsePercent } from '../../src/cli/values.ts';
import { pathIdleLimits } from '../../src/predict/paths.ts';

test.each([
  ['5%', 0.05],
  ['0.5%', 0.005],
  ['0.05', 0.05],
  ['0', 0],
])('a share of %s is %d', (text, share) => {
  expect(parsePercent('--loss', text)).toBeCloseTo(share, 12);
});

test.each(['', '%', '-1%', '5 %', 'a'])('a share of "%s" is refused', (text) => {
  expect(() => parsePercent('--loss', text)).toThrow(UsageError);
});

describe('a time', () => {
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
});

describe('a path', () => {
  test.each(Object.keys(pathIdleLimits))('is %s', (name) => {
    expect(parsePath('--path', name)).toBe(name);
  });

  test('is the time after which it forgets a connection', () => {
    expect(parsePath('--path', '350s')).toBe(350_000);
  });
});

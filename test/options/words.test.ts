import { describe, expect, test } from 'vitest';
import type { KeepAliveInput } from '../../src/options/options.ts';
import { parseKeepAliveOptions } from '../../src/options/parse.ts';
import { presets } from '../../src/options/presets.ts';
import {
  exactTime,
  formatTime,
  parsePercent,
  parseTime,
  parseWhole,
  parseWords,
  wordsOf,
} from '../../src/options/words.ts';

test.each<[string, KeepAliveInput]>([
  ['database', 'database'],
  ['database userTimeout=30s count=4', { ...presets.database, userTimeout: 30_000, count: 4 }],
  ['initialDelay=1m30s interval=500ms', { initialDelay: 90_000, interval: 500 }],
  ['userTimeout=auto', { userTimeout: 'auto' }],
  ['enable=false', { enable: false }],
  ['database failOnUnreachable=true', { ...presets.database, failOnUnreachable: true }],
  ['userTimeout=1500', { userTimeout: 1_500 }],
])('%s', (text, want) => {
  expect(parseWords(text.split(' '))).toEqual(want);
});

test.each([
  ['databse', 'Expected a preset ('],
  ['databse', '<option>=<value>, got `databse`; did you mean `database`?'],
  ['database tunnel', 'Expected <option>=<value>, got `tunnel`; a preset comes first'],
  ['enable=yes', 'Expected `enable` to be true or false, got `yes`'],
  ['failOnUnreachable=1', 'Expected `failOnUnreachable` to be true or false, got `1`'],
  ['count=2.5', 'Expected `count` to be a whole number, got `2.5`'],
  [
    'interval=soon',
    'Expected `interval` to be a time such as 30s, 1m30s, 500ms or 1500 (milliseconds), got `soon`',
  ],
  ['count=3 =5s', 'Expected <option>=<value>, got `=5s`'],
])('%s is refused', (text, message) => {
  expect(() => parseWords(text.split(' '))).toThrow(
    expect.objectContaining({
      code: 'ERR_KEEPALIVE_INVALID_OPTION',
      message: expect.stringContaining(message),
    }),
  );
});

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
    [500, '500ms'],
    [1_000, '1s'],
    [119_000, '119s'],
    [120_000, '2m'],
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

test.each(['', '-1', '1.5', '1e3', '1234567890123456'])('%j is no whole number', (text) => {
  expect(() => parseWhole('--connections', text)).toThrow(
    expect.objectContaining({ message: `Expected \`--connections\` to be a whole number, got \`${text}\`` }),
  );
});

test.each<KeepAliveInput>([
  'database',
  presets.tunnel,
  { initialDelay: 1_000, userTimeout: 'auto', interval: 2_500, count: 7 },
  { enable: false },
  { enable: true },
  { enable: true, userTimeout: 30_000 },
])('what is written can be typed again: %j', (options) => {
  const words = wordsOf(options);
  expect(parseKeepAliveOptions(parseWords(words))).toEqual(parseKeepAliveOptions(options));
});

test.each<[KeepAliveInput, string]>([
  ['database', 'database'],
  // Timers turn it on by themselves.
  [{ enable: true, initialDelay: 5_000, count: 3 }, 'initialDelay=5s count=3'],
  [{ enable: false, initialDelay: 5_000 }, 'enable=false initialDelay=5s'],
  [{ enable: true }, 'enable=true'],
  [{ enable: true, userTimeout: 30_000 }, 'enable=true userTimeout=30s'],
  [{ enable: true, count: 3, failOnUnreachable: true }, 'count=3 failOnUnreachable=true'],
])('%o is typed as %s', (input, text) => {
  expect(wordsOf(input).join(' ')).toBe(text);
});

test.each([
  ['5%', 0.05],
  ['0.5%', 0.005],
  ['0.05', 0.05],
  ['0', 0],
])('a share of %s is %d', (text, share) => {
  expect(parsePercent('--loss', text)).toBeCloseTo(share, 12);
});

test.each(['', '%', '-1%', '5 %', 'a'])('a share of "%s" is refused', (text) => {
  expect(() => parsePercent('--loss', text)).toThrow(
    expect.objectContaining({ code: 'ERR_KEEPALIVE_INVALID_OPTION' }),
  );
});

describe('a time that is shown', () => {
  test.each([
    [0, '0s'],
    [204, '204ms'],
    [24_540, '24.5s'],
    [1_000, '1s'],
    [119_999, '120s'],
    [120_000, '2m'],
    [3_600_000, '1h'],
    [86_400_000, '1d'],
    [929_000, '15m29s'],
    [7_875_000, '2h11m'],
    [7_890_000, '2h12m'],
    [91_800_000, '1d2h'],
    [432_000_000, '5d'],
    [Infinity, 'never'],
  ])('of %d ms reads %s', (ms, text) => {
    expect(formatTime(ms)).toBe(text);
  });
});

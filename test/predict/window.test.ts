import { describe, expect, test } from 'vitest';
import { predictDetection } from '../../src/predict/predict.ts';
import { parseSystem } from '../../src/predict/system.ts';
import { covering, lateness, NEVER, ratesOf } from '../../src/predict/window.ts';

const rates = [100, 250, 300, 1_000];

test('a system ticks at its own rate, or at any of those that distributions ship', () => {
  expect(ratesOf(parseSystem({ hz: 128 }))).toEqual([128]);
  expect(ratesOf(parseSystem())).toEqual(rates);
});

describe('a window without hz is what those rates need, and no wider', () => {
  test.each([
    { initialDelay: 10_000, interval: 5_000, count: 3, userTimeout: 0 },
    { initialDelay: 10_000, interval: 5_000, count: 3, userTimeout: 24_500 },
    { initialDelay: 17_000, interval: 1_000, count: 3, userTimeout: 19_500 },
    { initialDelay: 60_000, interval: 5_000, count: 3, userTimeout: 75_000 },
    { initialDelay: 7_200_000, interval: 75_000, count: 9, userTimeout: 0 },
  ])('%o', (given) => {
    const united = predictDetection(given, { rto: 204 });
    const all = rates.map((hz) => predictDetection(given, { rto: 204, hz }));
    for (const state of ['idle', 'unacknowledged', 'zeroWindow', 'connecting'] as const) {
      expect(united[state].earliest).toBe(Math.min(...all.map((each) => each[state].earliest)));
      expect(united[state].latest).toBe(Math.max(...all.map((each) => each[state].latest)));
    }
    for (const [index, probe] of united.probes.entries()) {
      expect(probe.latest).toBe(Math.max(...all.map(({ probes }) => probes[index]?.latest ?? Infinity)));
    }
  });
});

// 62 ticks are counted one by one, 63 in 8, 504 in 64, and so on; and a timer is handled within one tick more.
test.each([
  { delay: 4, hz: 250, late: 8 },
  { delay: 62 * 4, hz: 250, late: 8 },
  { delay: 62 * 4 + 1, hz: 250, late: 36 },
  { delay: 503 * 4, hz: 250, late: 36 },
  { delay: 504 * 4, hz: 250, late: 260 },
  { delay: 4_031 * 4, hz: 250, late: 260 },
  { delay: 4_032 * 4, hz: 250, late: 2_052 },
  { delay: 10_000, hz: 100, late: 650 },
  { delay: 10_000, hz: 1_000, late: 513 },
])('a timer of $delay ms is late by up to $late ms at $hz ticks a second', ({ delay, hz, late }) => {
  expect(lateness(delay, hz)).toBe(late);
});

test('a window covers all that may happen, in whole milliseconds', () => {
  expect(covering([5.5, 7], 6, [6.1, 8.2])).toEqual({ earliest: 5, nominal: 6, latest: 9 });
  expect(covering([7], 6, [5])).toEqual({ earliest: 6, nominal: 6, latest: 6 });
  expect(Object.isFrozen(NEVER)).toBe(true);
});

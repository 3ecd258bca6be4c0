import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type DetectionWindow,
  predictDetection,
  probePeriod,
  unansweredProbes,
} from '../../src/predict/predict.ts';

describe('a prediction', () => {
  const seconds = (max: number) => fc.integer({ min: 1, max }).map((value) => value * 1_000);
  const options = fc.record({
    initialDelay: seconds(600),
    interval: seconds(120),
    count: fc.integer({ min: 1, max: 12 }),
    userTimeout: fc.oneof(fc.constant(0), fc.integer({ min: 1_000, max: 1_500_000 })),
  });
  const hz = fc.constantFrom(100, 250, 300, 1_000);

  test('holds the nominal time of each window', () => {
    fc.assert(
      fc.property(options, fc.option(hz, { nil: undefined }), (given, rate) => {
        const detection = predictDetection(given, { hz: rate });
        for (const window of windowsOf(detection)) {
          expect(window.earliest).toBeLessThanOrEqual(window.nominal);
          expect(window.nominal).toBeLessThanOrEqual(window.latest);
        }
      }),
    );
  });

  test('takes options through the one door', () => {
    expect(() => predictDetection({ initialDelay: 60 })).toThrow('did you mean 60000?');
    expect(() => predictDetection('databse' as never)).toThrow('did you mean `database`?');
  });
});

test.each([
  { options: {}, nominal: 0, least: 0 },
  { options: { enable: true }, nominal: 9, least: 9 },
  { options: { initialDelay: 10_000, interval: 5_000, count: 3 }, nominal: 3, least: 3 },
  { options: { initialDelay: 10_000, interval: 5_000, count: 9, userTimeout: 24_500 }, nominal: 3, least: 3 },
  { options: { initialDelay: 17_000, interval: 1_000, count: 3, userTimeout: 19_500 }, nominal: 3, least: 1 },
])('of $options $nominal probes go unanswered, and at least $least', ({ options, ...probes }) => {
  expect(unansweredProbes(options)).toEqual(probes);
});

test.each([
  { options: {}, period: Infinity },
  { options: { enable: true }, period: 7_200_000 },
  { options: { initialDelay: 10_000, interval: 5_000 }, period: 10_000 },
  { options: { initialDelay: 5_000, interval: 10_000 }, period: 10_000 },
])('a peer that answers is probed every $period ms with $options', ({ options, period }) => {
  expect(probePeriod(options)).toBe(period);
});

function windowsOf(detection: ReturnType<typeof predictDetection>): DetectionWindow[] {
  const { probes, survives: _, ...states } = detection;
  return [...probes, ...Object.values(states)];
}

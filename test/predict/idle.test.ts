import fs from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { predictDetection } from '../../src/predict/predict.ts';
import { timerWheel } from '../helpers/timer-wheel.ts';

const never = { earliest: Infinity, nominal: Infinity, latest: Infinity };

interface Run {
  initialDelay: number;
  interval: number;
  count: number;
  userTimeout: number;
  diedAt: number;
}

const vectors = JSON.parse(fs.readFileSync(new URL('vectors/idle-death.json', import.meta.url), 'utf8')) as {
  runs: Run[];
};

describe('an idle connection', () => {
  test.each(vectors.runs)(
    '$initialDelay/$interval/$count $userTimeout died at $diedAt, in its window',
    ({ diedAt, ...options }) => {
      for (const system of [{ hz: 250 }, {}]) {
        const { idle } = predictDetection(options, system);
        expect(diedAt).toBeGreaterThanOrEqual(idle.earliest);
        expect(diedAt).toBeLessThanOrEqual(idle.latest);
      }
    },
  );

  test.each([
    ['7200/75/9, Linux untouched', { enable: true }, 7_875_000],
    ['60/10/3', { initialDelay: 60_000, interval: 10_000, count: 3 }, 90_000],
    ['10/5/3', { initialDelay: 10_000, interval: 5_000, count: 3 }, 25_000],
    [
      'a user timeout on a tick',
      { initialDelay: 2_000, interval: 1_000, count: 9, userTimeout: 4_000 },
      4_000,
    ],
    [
      'a user timeout past a tick',
      { initialDelay: 2_000, interval: 1_000, count: 9, userTimeout: 4_001 },
      5_000,
    ],
    [
      'a user timeout under the delay',
      { initialDelay: 10_000, interval: 5_000, count: 3, userTimeout: 1_000 },
      15_000,
    ],
    [
      'a user timeout past count',
      { initialDelay: 1_000, interval: 1_000, count: 1, userTimeout: 9_000 },
      9_000,
    ],
    ['a preset', 'database', 25_000],
  ] as const)('%s is dropped after the nominal time', (_, options, nominal) => {
    expect(predictDetection(options).idle.nominal).toBe(nominal);
  });

  test('sends as many probes as its drop asks for, each in a window', () => {
    const { probes } = predictDetection({ initialDelay: 60_000, interval: 10_000, count: 3 }, { hz: 250 });
    expect(probes.map(({ nominal }) => nominal)).toEqual([60_000, 70_000, 80_000]);
    // 60 s is 15 000 ticks, which are counted in 512; 10 s is 2 500, counted in 64. And one tick each.
    expect(probes.map(({ latest }) => latest)).toEqual([62_052, 72_312, 82_572]);
    // 10 s is 3 000 ticks here, which are counted in 64: 65 ticks are 216.7 ms.
    const fraction = predictDetection({ initialDelay: 10_000, interval: 5_000 }, { hz: 300 });
    expect(fraction.probes[0]?.latest).toBe(10_217);
  });

  test('without keepalive is never dropped, and sends nothing', () => {
    for (const options of [{}, { enable: false }, { userTimeout: 5_000 }, { enable: false, count: 3 }]) {
      expect(predictDetection(options)).toMatchObject({ probes: [], idle: never });
    }
  });

  test('takes what is left out from the system', () => {
    const system = { keepaliveTime: 30_000, keepaliveIntvl: 7_000, keepaliveProbes: 2 };
    expect(predictDetection({ enable: true }, system).idle.nominal).toBe(44_000);
    expect(predictDetection({ interval: 1_000 }, system).idle.nominal).toBe(32_000);
  });

  test('lists 127 probes of the millions that a user timeout of weeks would take', () => {
    const options = { initialDelay: 1_000, interval: 1_000, count: 1, userTimeout: 2_147_483_647 };
    expect(predictDetection(options).probes).toHaveLength(127);
  });

  test('that was probed before waits for an interval that is longer than the delay', () => {
    const { probes, idle } = predictDetection(
      { initialDelay: 1_000, interval: 3_000, count: 1 },
      { hz: 250 },
    );
    // 3 s is 750 ticks, which are counted in 64. And one tick.
    expect(probes[0]).toEqual({ earliest: 1_000, nominal: 1_000, latest: 3_260 });
    expect(idle).toEqual({ earliest: 4_000, nominal: 4_000, latest: 6_520 });
  });

  test('sends no probe once the user timeout has passed, but for the first', () => {
    const options = { initialDelay: 600_000, interval: 1_000, count: 3, userTimeout: 603_000 };
    const { probes } = predictDetection(options, { hz: 250 });
    // 600 s is 150 000 ticks, which are counted in 4 096. The others have a tick beside the user timeout.
    expect(probes.map(({ latest }) => latest)).toEqual([616_388, 603_004, 603_004]);
  });

  test.each([
    { ticks: 62, granule: 1, latest: 2_065 },
    { ticks: 63, granule: 8, latest: 2_286 },
  ])('with timers of $ticks ticks has them rounded up to $granule, and one tick', ({ ticks, latest }) => {
    const { idle } = predictDetection({ initialDelay: 1_000, interval: 1_000, count: 1 }, { hz: ticks });
    expect(idle).toEqual({ earliest: 2_000, nominal: 2_000, latest });
  });

  test('may be dropped one tick early, when late timers reach the user timeout', () => {
    const options = { initialDelay: 17_000, interval: 1_000, count: 3, userTimeout: 19_500 };
    const { idle } = predictDetection(options, { hz: 250 });
    expect(idle.nominal).toBe(20_000);
    // The kernel counts whole ticks, so that the last one of the 19.5 s may not have passed.
    expect(idle.earliest).toBe(19_496);
    const due = { initialDelay: 17_000, interval: 5_000, count: 3, userTimeout: 31_500 };
    expect(predictDetection(due, { hz: 250 }).idle.earliest).toBe(32_000);
  });
});

describe('an outage is survived by an idle connection', () => {
  test('until the last probe', () => {
    const { survives } = predictDetection({ initialDelay: 10_000, interval: 5_000, count: 3 });
    expect(survives.idle).toBe(10_000 + 2 * 5_000);
  });

  test('until the last probe that is sent at every tick rate', () => {
    // With 250 ticks a second, the first probe is so late that the one after it may find the user timeout passed.
    const options = { initialDelay: 17_000, interval: 1_000, count: 3, userTimeout: 19_500 };
    const rates = [100, 250, 1_000, undefined].map((hz) => predictDetection(options, { hz }).survives.idle);
    expect(rates).toEqual([18_000, 17_000, 18_000, 17_000]);
  });

  test('for ever, if it is not probed', () => {
    expect(predictDetection({ enable: false }).survives.idle).toBe(Infinity);
  });
});

describe('the window of an idle connection is as wide as timers are late, and no wider', () => {
  const seconds = (max: number) => fc.integer({ min: 1, max }).map((value) => value * 1_000);
  const options = fc.record({
    initialDelay: seconds(600),
    interval: seconds(120),
    count: fc.integer({ min: 1, max: 12 }),
    userTimeout: fc.oneof(fc.constant(0), fc.integer({ min: 1_000, max: 1_500_000 })),
  });
  const hz = fc.constantFrom(100, 250, 300, 1_000);

  test('every idle connection of a simulated kernel is dropped inside it', () => {
    fc.assert(
      fc.property(options, hz, fc.infiniteStream(fc.nat()), (given, rate, phases) => {
        const { idle } = predictDetection(given, { hz: rate });
        const anyRate = predictDetection(given).idle;
        for (let run = 0; run < 20; run++) {
          const died = simulateIdle(given, rate, () => phases.next().value as number);
          expect(died).toBeGreaterThanOrEqual(idle.earliest);
          expect(died).toBeLessThanOrEqual(idle.latest);
          expect(died).toBeGreaterThanOrEqual(anyRate.earliest);
          expect(died).toBeLessThanOrEqual(anyRate.latest);
        }
      }),
      { numRuns: 200 },
    );
  });

  test('and comes within a granule and a tick of both its ends', () => {
    // Three seconds are counted in 64 ticks and one in 8, so that the two add up to nearly all they can.
    const given = { initialDelay: 3_000, interval: 1_000, count: 1, userTimeout: 0 };
    const { idle } = predictDetection(given, { hz: 250 });
    let phase = 0;
    const died = Array.from({ length: 5_000 }, () => simulateIdle(given, 250, () => (phase += 7919)));
    expect(Math.min(...died) - idle.earliest).toBeLessThan(40);
    expect(idle.latest - Math.max(...died)).toBeLessThan(40);
  });

  // The first tick waits for 10 s, 17 s, 60 s or 600 s: 2 500, 4 250, 15 000 or 150 000 ticks, counted in 64, 512,
  // 512 or 4 096. Each next one waits for 5 s, 1 s or 10 s: 1 250, 250 or 2 500 ticks, counted in 64, 8 or 64.
  test.each([
    { when: 'at tick `count`', timers: [60_000, 10_000, 3, 0], latest: 92_832 },
    {
      when: 'at the only tick that the user timeout leaves',
      timers: [10_000, 5_000, 3, 24_500],
      latest: 26_040,
    },
    {
      when: 'at a tick that comes just before the next one is over',
      timers: [17_000, 1_000, 3, 19_500],
      latest: 20_540,
    },
    {
      when: 'at the last tick, if the one before just missed',
      timers: [60_000, 10_000, 3, 82_572],
      latest: 92_832,
    },
    {
      when: 'at tick 1, if it comes after the user timeout',
      timers: [600_000, 1_000, 3, 603_000],
      latest: 617_424,
    },
  ])('is dropped $when at the latest: $timers', ({ timers, latest }) => {
    const [initialDelay, interval, count, userTimeout] = timers;
    const options = { initialDelay, interval, count, userTimeout };
    expect(predictDetection(options, { hz: 250 }).idle.latest).toBe(latest);
  });

  test('at most an eighth of each delay and a tick for each timer', () => {
    fc.assert(
      fc.property(options, hz, (given, rate) => {
        const { idle } = predictDetection({ ...given, userTimeout: 0 }, { hz: rate });
        const timers = given.count + 1;
        const exact = Math.max(given.initialDelay, given.interval) + given.interval * given.count;
        expect(idle.latest).toBeLessThanOrEqual(Math.ceil(exact * (1 + 8 / 63) + timers * (2_000 / rate)));
      }),
    );
  });
});

type Numbers = Omit<Run, 'diedAt'>;

/** When a simulated kernel drops the connection, step by step as `net/ipv4/tcp_timer.c` does. */
function simulateIdle(options: Numbers, hz: number, random: () => number): number {
  const ticks = (ms: number) => Math.ceil((ms * hz) / 1_000);
  const heard = random() % 10_000_000;
  const fraction = (random() % 1_000) / 1_000;
  let now = firstTick(options, heard, ticks, random() % 2 === 0);
  for (let probes = 0; ; probes++) {
    const elapsed = now - heard;
    const drop =
      options.userTimeout === 0
        ? probes >= options.count
        : elapsed >= ticks(options.userTimeout) && probes > 0;
    if (drop) return ((elapsed - fraction) * 1_000) / hz;
    now = timerWheel(now, ticks(options.interval));
  }
}

/** After a probe that was answered the timer waits for the interval, and only then for what is left of the delay. */
function firstTick(
  { initialDelay, interval }: Numbers,
  heard: number,
  ticks: (ms: number) => number,
  isProbedBefore: boolean,
): number {
  if (!isProbedBefore) return timerWheel(heard, ticks(initialDelay));
  const now = timerWheel(heard, ticks(interval));
  const left = ticks(initialDelay) - (now - heard);
  return left > 0 ? timerWheel(now, left) : now;
}

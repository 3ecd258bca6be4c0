import fs from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type DetectionWindow, predictDetection } from '../../src/predict/predict.ts';

const never = { earliest: Infinity, nominal: Infinity, latest: Infinity };

/** Every tick rate that a prediction without `hz` has to cover. */
const allRates = Array.from({ length: 901 }, (_, index) => 100 + index);

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
    expect(idle.earliest).toBeLessThan(19_500);
    const due = { initialDelay: 17_000, interval: 5_000, count: 3, userTimeout: 31_500 };
    expect(predictDetection(due, { hz: 250 }).idle.earliest).toBe(32_000);
  });
});

describe('a window is as wide as timers are late, and no wider', () => {
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

  test.each([
    { initialDelay: 10_000, interval: 5_000, count: 3, userTimeout: 0 },
    { initialDelay: 10_000, interval: 5_000, count: 3, userTimeout: 24_500 },
    { initialDelay: 17_000, interval: 1_000, count: 3, userTimeout: 19_500 },
    { initialDelay: 60_000, interval: 5_000, count: 3, userTimeout: 75_000 },
    { initialDelay: 7_200_000, interval: 75_000, count: 9, userTimeout: 0 },
  ])('without hz it is exactly what the 901 rates from 100 to 1000 need: %o', (given) => {
    for (const state of ['idle', 'unacknowledged', 'zeroWindow', 'connecting'] as const) {
      const system = { rto: 204 };
      const all = allRates.map((rate) => predictDetection(given, { ...system, hz: rate })[state]);
      const united = predictDetection(given, system)[state];
      expect(united.earliest).toBe(Math.min(...all.map(({ earliest }) => earliest)));
      expect(united.latest).toBe(Math.max(...all.map(({ latest }) => latest)));
    }
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

  test('holds its nominal time', () => {
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
});

describe('the other states', () => {
  test('data in flight is bounded by the user timeout, else by tcp_retries2', () => {
    const bounded = predictDetection({ userTimeout: 5_000 }, { hz: 250 }).unacknowledged;
    // One RTO, and up to one more for a tail loss probe. Measured: 5.25 s without it, 5.44 s with it.
    expect(bounded).toEqual({ earliest: 5_200, nominal: 5_408, latest: 5_684 });
    const { unacknowledged } = predictDetection({ enable: true }, { hz: 250 });
    expect(unacknowledged.earliest).toBe(924_800);
    // Measured: 938 s.
    expect(unacknowledged.latest).toBeGreaterThan(938_000);
    expect(unacknowledged.latest).toBeLessThan(950_000);
  });

  test.each([
    // Measured on Linux 6.18, HZ=250, RTO 204, in a network namespace with these settings.
    { tcpRetries2: 0, diedAt: 854 },
    { tcpRetries2: 1, diedAt: 1_683 },
    { tcpRetries2: 2, diedAt: 3_349 },
    { tcpRetries2: 3, diedAt: 6_814 },
    // 6 120 ms have passed at one expiry, and 6 200 are the limit: late timers reach it a step early.
    { tcpRetries2: 4, diedAt: 6_755 },
    { tcpRetries2: 5, diedAt: 13_395 },
  ])(
    'data in flight with tcp_retries2 = $tcpRetries2 was given up after $diedAt',
    ({ tcpRetries2, diedAt }) => {
      const { unacknowledged } = predictDetection({}, { hz: 250, rto: 204, tcpRetries2 });
      expect(diedAt).toBeGreaterThanOrEqual(unacknowledged.earliest);
      expect(diedAt).toBeLessThanOrEqual(unacknowledged.latest);
    },
  );

  test.each([
    { tcpSynRetries: 1, diedAt: 3_070 },
    { tcpSynRetries: 2, diedAt: 7_150 },
    { tcpSynRetries: 3, diedAt: 19_404 },
    { tcpSynRetries: 4, diedAt: 35_515 },
    { tcpSynRetries: 6, diedAt: 134_000 },
  ])(
    'a SYN with tcp_syn_retries = $tcpSynRetries was given up after $diedAt',
    ({ tcpSynRetries, diedAt }) => {
      const { connecting } = predictDetection({}, { hz: 250, tcpSynRetries });
      expect(diedAt).toBeGreaterThanOrEqual(connecting.earliest);
      expect(diedAt).toBeLessThanOrEqual(connecting.latest);
    },
  );

  test('a zero window lasts for ever without a user timeout', () => {
    expect(predictDetection('database').zeroWindow.nominal).toBe(24_704);
    expect(predictDetection({ initialDelay: 1_000 }).zeroWindow).toEqual(never);
  });

  test('a connection attempt ends after a second at the soonest, and after its retries at the latest', () => {
    expect(predictDetection({ userTimeout: 1_000 }).connecting.earliest).toBe(1_000);
    expect(predictDetection({ userTimeout: 5_000 }).connecting.nominal).toBe(5_000);
    expect(predictDetection({ userTimeout: 500_000 }).connecting).toMatchObject({
      earliest: 127_000,
      nominal: 131_000,
    });
  });

  test('a connection attempt that a second’s user timeout ends expires twice, the second time at once', () => {
    // A second is 250 ticks, which are counted in 8. And a tick for it, and two for the other.
    const { connecting } = predictDetection({ userTimeout: 1_000 }, { hz: 250 });
    expect(connecting).toEqual({ earliest: 1_000, nominal: 1_000, latest: 1_044 });
  });

  test('a connection attempt of more retries than double ends with the last, whatever the user timeout', () => {
    const { connecting } = predictDetection({ userTimeout: 2_000_000_000 }, { hz: 250, tcpSynRetries: 10 });
    // Five waits of a second, then 2, 4, 8, 16, 32 and 64 s, and four of two minutes.
    expect(connecting).toEqual({ earliest: 607_000, nominal: 611_000, latest: 624_308 });
  });

  test('a user timeout of weeks is counted without weeks of steps', () => {
    const { unacknowledged } = predictDetection({ userTimeout: 2_147_483_647 }, { hz: 250 });
    expect(unacknowledged.nominal).toBe(2_147_484_055);
    // The last wait is two minutes at most: 30 000 ticks, counted in 512.
    expect(unacknowledged.latest - unacknowledged.nominal).toBeLessThan(2_200);
  });

  test('data in flight on a simulated kernel is given up inside the window', () => {
    const user = fc.integer({ min: 1_000, max: 3_000_000 });
    // The kernel keeps it in ticks.
    const rto = fc.integer({ min: 51, max: 750 }).map((ticks) => ticks * 4);
    fc.assert(
      fc.property(user, rto, fc.infiniteStream(fc.nat()), (userTimeout, given, phases) => {
        const { zeroWindow } = predictDetection({ userTimeout }, { hz: 250, rto: given });
        for (let run = 0; run < 20; run++) {
          const died = simulateProbes(userTimeout, given, 250, () => phases.next().value as number);
          expect(died).toBeGreaterThanOrEqual(zeroWindow.earliest);
          expect(died).toBeLessThanOrEqual(zeroWindow.latest);
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe('a system', () => {
  test.each([
    [{ hz: 0 }, 'Expected `hz` to be an integer from 24 to 1200 ticks a second, got `0` (number)'],
    [{ hz: '250' }, 'Expected `hz` to be an integer from 24 to 1200 ticks a second, got `250` (string)'],
    [{ rto: Number.NaN }, 'Expected `rto` to be from 1 to 120000 milliseconds, got `NaN` (number)'],
    [
      { keepaliveTime: 7_200 / 10 },
      'Expected `keepaliveTime` to be from 1000 to 2147483000 milliseconds, got `720` (number); did you mean 720000?',
    ],
    [{ keepaliveProbe: 3 }, 'did you mean `keepaliveProbes`?'],
    [null, 'Expected a system such as { hz: 250 }, got null'],
  ])('%o is refused', (system, message) => {
    expect(() => predictDetection({}, system as never)).toThrow(
      expect.objectContaining({
        code: 'ERR_KEEPALIVE_INVALID_OPTION',
        message: expect.stringContaining(message),
      }),
    );
  });

  test('options come through the one door', () => {
    expect(() => predictDetection({ initialDelay: 60 })).toThrow('did you mean 60000?');
    expect(() => predictDetection('databse' as never)).toThrow('did you mean `database`?');
  });
});

function windowsOf(detection: ReturnType<typeof predictDetection>): DetectionWindow[] {
  const { probes, ...states } = detection;
  return [...probes, ...Object.values(states)];
}

// A second account of the kernel, step by step and in its own whole ticks, to hold the prediction's
// closed forms against: `kernel/time/timer.c` and `net/ipv4/tcp_timer.c`.

/** The tick at which a timer armed at `now` for `ticks` fires. */
function wheel(now: number, ticks: number): number {
  let granule = 1;
  while (ticks >= 63 * granule) granule *= 8;
  return (Math.floor((now + ticks) / granule) + 1) * granule;
}

type Numbers = Omit<Run, 'diedAt'>;

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
    now = wheel(now, ticks(options.interval));
  }
}

/** After a probe that was answered the timer waits for the interval, and only then for what is left of the delay. */
function firstTick(
  { initialDelay, interval }: Numbers,
  heard: number,
  ticks: (ms: number) => number,
  isProbedBefore: boolean,
): number {
  if (!isProbedBefore) return wheel(heard, ticks(initialDelay));
  const now = wheel(heard, ticks(interval));
  const left = ticks(initialDelay) - (now - heard);
  return left > 0 ? wheel(now, left) : now;
}

function simulateProbes(userTimeout: number, rto: number, hz: number, random: () => number): number {
  const ticks = (ms: number) => Math.ceil((ms * hz) / 1_000);
  const written = random() % 10_000_000;
  const fraction = (random() % 1_000) / 1_000;
  const firstProbe = wheel(written, ticks(rto));
  let now = firstProbe;
  for (let backoff = 1; ; backoff++) {
    const wait = Math.min(ticks(rto) * 2 ** backoff, 120 * hz);
    const left = Math.max(ticks(userTimeout) - (now - firstProbe), 2);
    now = wheel(now, Math.min(wait, left));
    if (now - firstProbe >= ticks(userTimeout)) return ((now - written - fraction) * 1_000) / hz;
  }
}

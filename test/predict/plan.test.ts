import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseKeepAliveOptions } from '../../src/options/parse.ts';
import { pathIdleLimits } from '../../src/predict/paths.ts';
import { type KeepAlivePlan, planKeepAlive } from '../../src/predict/plan.ts';
import { predictDetection, unansweredProbes } from '../../src/predict/predict.ts';
import { reviewKeepAlive } from '../../src/predict/review.ts';

const DAY = 86_400_000;

/** Deadlines from some seconds to a day, as many short ones as long ones. */
const deadline = fc
  .double({ min: Math.log(4_600), max: Math.log(DAY), noNaN: true })
  .map((exponent) => Math.round(Math.exp(exponent)));

const rates = [100, 250, 300, 1_000];

describe('a plan', () => {
  test('keeps its promise after a write into the silence, and with ICMP, if that is asked for', () => {
    const moment = fc.constantFrom('write' as const, 'vanish' as const);
    fc.assert(
      fc.property(deadline, moment, fc.boolean(), (within, from, icmp) => {
        const detectWithin = 3 * within;
        const plan = planKeepAlive({ detectWithin, from, icmp });
        const { maxRetransmitInterval: _, ...onOlderKernels } = plan;
        for (const options of [plan, onOlderKernels]) {
          const { idle, unacknowledged } = predictDetection(options);
          const data = icmp ? unacknowledged.onIcmp : unacknowledged;
          const latest = from === 'vanish' ? idle.latest + data.latest : Math.max(idle.latest, data.latest);
          expect(latest).toBeLessThanOrEqual(detectWithin);
        }
      }),
    );
    const plain = planKeepAlive({ detectWithin: 60_000 });
    expect(planKeepAlive({ detectWithin: 60_000, from: 'write', icmp: false })).toEqual(plain);
    for (const goal of [{ icmp: true }, { from: 'vanish' }] as const) {
      expect(planKeepAlive({ detectWithin: 60_000, ...goal }).userTimeout).toBeLessThan(plain.userTimeout);
    }
  });

  test('notices a vanished peer in time, idle or not, at any tick rate', () => {
    fc.assert(
      fc.property(deadline, (detectWithin) => {
        const plan = planKeepAlive({ detectWithin });
        for (const system of [{}, ...rates.map((hz) => ({ hz }))]) {
          const { idle, unacknowledged } = predictDetection(plan, system);
          expect(idle.latest).toBeLessThanOrEqual(detectWithin);
          expect(unacknowledged.latest).toBeLessThanOrEqual(detectWithin);
        }
      }),
    );
  });

  test('lets as many probes go unanswered as were asked for, in every timing', () => {
    fc.assert(
      fc.property(deadline, fc.integer({ min: 1, max: 12 }), (detectWithin, probes) => {
        const plan = planIfPossible(detectWithin, probes);
        fc.pre(plan !== undefined);
        for (const system of [{}, ...rates.map((hz) => ({ hz }))]) {
          const unanswered = unansweredProbes(plan, system);
          expect(unanswered.least).toBeGreaterThanOrEqual(probes);
          // The last one goes out before the user timeout, however late.
          const sent = predictDetection({ ...plan, userTimeout: 0 }, system).probes;
          expect(sent[probes - 1]?.latest).toBeLessThan(plan.userTimeout);
        }
        expect(plan.count).toBe(probes);
        const warnings = reviewKeepAlive(plan).filter(({ severity }) => severity !== 'note');
        const expected = probes === 1 || plan.initialDelay < 5_000 ? ['single-probe', 'too-chatty'] : [];
        expect(expected).toEqual(expect.arrayContaining(warnings.map(({ code }) => code)));
      }),
    );
  });

  test('keeps probes an eighth of the deadline apart', () => {
    fc.assert(
      fc.property(deadline, (detectWithin) => {
        const { interval } = planKeepAlive({ detectWithin });
        if (interval < detectWithin / 8) expect(isAnEighthPossible(detectWithin)).toBe(false);
      }),
    );
    // With a delay of 1 s an interval of 2 s has no room, though with a delay of 2 s it has.
    expect(planKeepAlive({ detectWithin: 13_301, probes: 5 }).interval).toBe(1_000);
    expect(planKeepAlive({ detectWithin: 32_000 }).interval).toBe(4_000);
    expect(planKeepAlive({ detectWithin: 32_001 }).interval).toBe(5_000);
  });

  test('sends its first probe before the path forgets the connection', () => {
    const limit = fc.integer({ min: 1_200, max: 8_000_000 });
    fc.assert(
      fc.property(deadline, limit, (detectWithin, pathIdleLimit) => {
        const plan = planKeepAlive({ detectWithin, pathIdleLimit });
        expect(predictDetection(plan).probes[0]?.latest).toBeLessThan(pathIdleLimit);
      }),
    );
  });

  test('is accepted where options are', () => {
    fc.assert(
      fc.property(deadline, (detectWithin) => {
        const plan = planKeepAlive({ detectWithin });
        expect(parseKeepAliveOptions(plan)).toEqual(plan);
        expect(Object.isFrozen(plan)).toBe(true);
      }),
    );
  });

  test('holds with a retransmission timeout of a slow link', () => {
    fc.assert(
      fc.property(fc.integer({ min: 204, max: 3_000 }), (rto) => {
        const plan = planKeepAlive({ detectWithin: 20_000, rto });
        expect(predictDetection(plan, { rto }).unacknowledged.latest).toBeLessThanOrEqual(20_000);
      }),
    );
  });

  test.each([4_600, 7_000, 10_000, 16_000, 25_000, 30_000, 45_000])(
    'is the gentlest of all there are: within %d no first probe may come later',
    (detectWithin) => {
      const plan = planKeepAlive({ detectWithin });
      expect(plan.initialDelay).toBe(longestDelayOfAll(detectWithin));
    },
  );

  test('of probes that have no room to be an eighth apart, shares half the deadline among them', () => {
    expect(planKeepAlive({ detectWithin: 60_000, probes: 10 })).toMatchObject({ interval: 3_000, count: 10 });
    expect(planKeepAlive({ detectWithin: 13_000, probes: 10 })).toMatchObject({ interval: 1_000, count: 10 });
    expect(planKeepAlive({ detectWithin: 60_001, probes: 10 }).interval).toBe(4_000);
    // A share of 1.6 s is rounded up, as the kernel counts.
    expect(planKeepAlive({ detectWithin: 16_100, probes: 5 })).toMatchObject({ interval: 2_000, count: 5 });
  });

  test('leaves a peer the longest user timeout that there is room for, as in the documentation', () => {
    expect(planKeepAlive({ detectWithin: 30_000, pathIdleLimit: 'aws-nlb' })).toEqual({
      enable: true,
      initialDelay: 15_000,
      interval: 4_000,
      count: 3,
      userTimeout: 26_500,
      maxRetransmitInterval: 3_312,
    });
  });

  test('of the longest deadline there is has the longest timers that the kernel takes', () => {
    expect(planKeepAlive({ detectWithin: 2_147_483_647 })).toEqual({
      enable: true,
      initialDelay: 32_767_000,
      interval: 32_767_000,
      count: 3,
      userTimeout: 131_067_500,
      maxRetransmitInterval: 120_000,
    });
  });

  test('of the longest deadline and the most probes keeps to the longest user timeout', () => {
    const { userTimeout, ...timers } = planKeepAlive({ detectWithin: 2_147_483_647, probes: 127 });
    expect(timers.count).toBe(127);
    expect(userTimeout).toBeLessThanOrEqual(2_147_483_647);
    expect(predictDetection({ ...timers, userTimeout }).idle.latest).toBeLessThanOrEqual(2_147_483_647);
  });

  test('has no user timeout that may pass in the millisecond of the last probe', () => {
    const plan = planKeepAlive({ detectWithin: 140_000, probes: 10, pathIdleLimit: 12_700 });
    expect(plan).toMatchObject({ initialDelay: 12_000, interval: 7_000 });
    expect(predictDetection({ ...plan, userTimeout: 0 }).probes.at(-1)?.latest).toBe(81_500);
    expect(plan.userTimeout).toBe(81_501);
  });

  test.each(['aws-alb', 1_050] as const)(
    'of a path that no probe keeps open, %s, is out of range',
    (path) => {
      expect(() => planKeepAlive({ detectWithin: 30_000, pathIdleLimit: path })).toThrow(RangeError);
    },
  );

  test('knows paths by their names', () => {
    const goal = { detectWithin: DAY };
    for (const name of ['aws-nlb', 'azure-lb', 'gcp-vpc', 'ipvs'] as const) {
      const plan = planKeepAlive({ ...goal, pathIdleLimit: name });
      const { limit } = pathIdleLimits[name];
      expect(plan).toEqual(planKeepAlive({ ...goal, pathIdleLimit: limit }));
      expect(plan.initialDelay).toBeLessThan(limit);
      expect(plan.initialDelay).toBeGreaterThan(0.85 * limit);
    }
  });

  test('a deadline that cannot be met is refused with the shortest that can, which is met', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 127 }),
        fc.option(fc.integer({ min: 204, max: 60_000 }), { nil: undefined }),
        (probes, rto) => {
          const shortest = shortestDeadline(() => planKeepAlive({ detectWithin: 1_000, probes, rto }));
          expect(() => planKeepAlive({ detectWithin: shortest, probes, rto })).not.toThrow();
          expect(() => planKeepAlive({ detectWithin: shortest - 1, probes, rto })).toThrow(
            `at least ${shortest} `,
          );
        },
      ),
    );
  });

  test.each([
    {
      goal: { probes: 1 },
      says: 'that can be met with 1 unanswered probe, got `1000` (number)',
    },
    {
      goal: { probes: 2, rto: 300 },
      says: 'that can be met with 2 unanswered probes and an rto of 300, got `1000` (number); fewer `probes` need less',
    },
  ])('a deadline that cannot be met with $goal is out of range', ({ goal, says }) => {
    const plan = () => planKeepAlive({ detectWithin: 1_000, ...goal });
    expect(plan).toThrow(RangeError);
    expect(plan).toThrow(
      expect.objectContaining({ message: expect.toSatisfy((text) => text.endsWith(says)) }),
    );
  });

  test.each([
    [{}, 'Expected `detectWithin` to be from 1000 to 2147483647 milliseconds, got undefined'],
    [{ detectWithin: 30 }, 'got `30` (number); did you mean 30000?'],
    [{ detectWithin: Number.NaN }, 'got `NaN` (number)'],
    [{ detectWithin: 30_000, probes: 2.5 }, 'Expected `probes` to be an integer from 1 to 127 probes'],
    [{ detectWithin: 30_000, from: 'now' }, "Expected `from` to be 'write' or 'vanish', got `now` (string)"],
    [{ detectWithin: 30_000, icmp: 1 }, 'Expected `icmp` to be true or false, got `1` (number)'],
    [{ detectWithin: 30_000, rto: -1 }, 'Expected `rto` to be from 1 to 120000 milliseconds'],
    [{ detectWithin: 30_000, pathIdleLimt: 1 }, 'did you mean `pathIdleLimit`?'],
    [{ detectWithin: 30_000, pathIdleLimit: 'aws-nbl' }, 'did you mean `aws-nlb`?'],
    [{ detectWithin: 30_000, pathIdleLimit: 350 }, 'did you mean 350000?'],
    [{ detectWithin: 30_000, pathIdleLimit: 1_050 }, 'Expected `pathIdleLimit` to be over 1090 milliseconds'],
    [{ detectWithin: 30_000, pathIdleLimit: 1_090 }, 'Expected `pathIdleLimit` to be over 1090 milliseconds'],
    [{ detectWithin: 30_000, pathIdleLimit: 'aws-alb' }, 'send an application ping at least every 60 s'],
    [null, 'Expected a goal such as'],
  ])('%o is refused', (goal, message) => {
    expect(() => planKeepAlive(goal as never)).toThrow(
      expect.objectContaining({
        code: 'ERR_KEEPALIVE_INVALID_OPTION',
        message: expect.stringContaining(message),
      }),
    );
  });
});

test('a path that remembers just longer than a first probe may take is kept open', () => {
  expect(planKeepAlive({ detectWithin: 30_000, pathIdleLimit: 1_091 })).toMatchObject({
    initialDelay: 1_000,
  });
});

function planIfPossible(detectWithin: number, probes: number): KeepAlivePlan | undefined {
  try {
    return planKeepAlive({ detectWithin, probes });
  } catch {
    return undefined;
  }
}

function shortestDeadline(attempt: () => unknown): number {
  try {
    attempt();
  } catch (error) {
    return Number(/at least (\d+)/.exec((error as Error).message)?.[1]);
  }
  throw new Error('Expected a deadline that is too short to be refused');
}

/** Tries every delay and interval there is, with every user timeout in steps of a quarter second. */
function longestDelayOfAll(detectWithin: number): number {
  let longest = 0;
  for (
    let interval = Math.ceil(detectWithin / 8_000) * 1_000;
    3 * interval < detectWithin;
    interval += 1_000
  ) {
    for (let initialDelay = longest + 1_000; initialDelay < detectWithin; initialDelay += 1_000) {
      if (someTimeoutFits({ initialDelay, interval, count: 3 }, detectWithin)) longest = initialDelay;
    }
  }
  return longest;
}

function someTimeoutFits(
  timers: { initialDelay: number; interval: number; count: number },
  deadline: number,
) {
  for (let userTimeout = timers.initialDelay; userTimeout <= deadline; userTimeout += 250) {
    const options = { ...timers, userTimeout };
    const { idle, unacknowledged } = predictDetection(options);
    const inTime = idle.latest <= deadline && unacknowledged.latest <= deadline;
    if (inTime && unansweredProbes(options).least >= 3) return true;
  }
  return false;
}

/** Whether the shortest delay, with probes an eighth of the deadline apart, leaves three of them room. */
function isAnEighthPossible(detectWithin: number): boolean {
  const interval = Math.ceil(detectWithin / 8_000) * 1_000;
  const timers = { initialDelay: 1_000, interval, count: 3 };
  const last = predictDetection(timers).probes.at(-1)?.latest ?? 0;
  return predictDetection({ ...timers, userTimeout: last + 1 }).idle.latest <= detectWithin;
}

test.each([
  ['never', RangeError],
  [5, TypeError],
])('from the moment %o is refused', (from, kind) => {
  expect(() => planKeepAlive({ detectWithin: 30_000, from: from as never })).toThrow(kind);
});

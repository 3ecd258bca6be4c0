import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { KeepAliveInput } from '../../src/options/options.ts';
import { type PresetName, presets } from '../../src/options/presets.ts';
import { planKeepAlive } from '../../src/predict/plan.ts';
import { predictDetection } from '../../src/predict/predict.ts';
import { type FindingCode, type ReviewContext, reviewKeepAlive } from '../../src/predict/review.ts';

const late = { initialDelay: 17_000, interval: 1_000, userTimeout: 20_500 };
const sound = { initialDelay: 10_000, interval: 5_000, count: 3, userTimeout: 24_500 };

interface Row {
  code: FindingCode;
  severity: 'error' | 'warning' | 'note';
  options: KeepAliveInput;
  context?: ReviewContext;
  says: string;
  /** The nearest options or context that do not raise it, or not so severely. */
  cured: [KeepAliveInput, ReviewContext?];
}

const rows: Row[] = [
  {
    code: 'single-probe',
    severity: 'error',
    options: { ...sound, count: 1, userTimeout: 0 },
    says: 'one lost probe drops a living peer. RFC 1122 (4.2.3.6) forbids that. Make `count` at least 3.',
    cured: [{ ...sound, count: 2, userTimeout: 0 }],
  },
  {
    code: 'single-probe',
    severity: 'error',
    options: { ...sound, userTimeout: 15_000 },
    says: '`userTimeout` (15 s) has passed at the next tick',
    cured: [{ ...sound, userTimeout: 15_001 }],
  },
  {
    code: 'count-ignored',
    severity: 'warning',
    options: { ...sound, count: 9 },
    says: 'the kernel ignores `count` (9): 24.5 s of it make 3 unanswered probes instead',
    cured: [{ ...sound, count: 9, userTimeout: 0 }],
  },
  {
    code: 'count-ignored',
    severity: 'warning',
    options: { ...sound, count: 1 },
    says: 'the kernel ignores `count` (1): 24.5 s of it make 3 unanswered probes instead',
    cured: [sound],
  },
  {
    code: 'count-ignored',
    severity: 'note',
    options: sound,
    says: 'make 3 unanswered probes, the same',
    cured: [{ ...sound, userTimeout: 0 }],
  },
  {
    // 14 of 80 such connections were measured to die after one probe, and 50 after two.
    code: 'early-user-timeout',
    severity: 'warning',
    options: { initialDelay: 17_000, interval: 1_000, count: 3, userTimeout: 19_500 },
    says: "after one unanswered probe instead of 3. Make `interval` longer beside `initialDelay`, `count` 3 and `userTimeout` 'auto'",
    cured: [{ initialDelay: 17_000, interval: 4_000, count: 3, userTimeout: 28_500 }],
  },
  {
    code: 'count-ignored',
    severity: 'note',
    options: { ...sound, userTimeout: 26_000 },
    says: '4 unanswered probes, and no fewer than 3 where timers run late',
    cured: [{ ...sound, count: undefined, userTimeout: 26_000 }],
  },
  {
    code: 'early-user-timeout',
    severity: 'warning',
    options: { ...sound, interval: 400_000, userTimeout: 'auto' },
    says: 'Make `initialDelay` as long as `interval`',
    cured: [{ ...sound, initialDelay: 400_000, interval: 400_000, userTimeout: 'auto' }],
  },
  {
    code: 'data-unbounded',
    severity: 'warning',
    options: { ...sound, userTimeout: 0 },
    says: 'hangs for about 15 minutes',
    cured: [sound],
  },
  {
    code: 'idle-unbounded',
    severity: 'warning',
    options: { userTimeout: 5_000 },
    says: 'keepalive is off',
    cured: [{ enable: true, userTimeout: 5_000 }],
  },
  {
    code: 'path-forgets',
    severity: 'error',
    options: { ...sound, initialDelay: 320_000 },
    context: { pathIdleLimit: 'aws-nlb' },
    says: 'AWS Network Load Balancer forgets a connection after 350 s of silence, and the first probe may take 352.8 s',
    cured: [{ ...sound, initialDelay: 300_000 }, { pathIdleLimit: 'aws-nlb' }],
  },
  {
    code: 'path-forgets',
    severity: 'error',
    options: sound,
    context: { pathIdleLimit: 10_650 },
    says: 'the first probe may take 10.7 s',
    // The latest that a first probe comes, to the millisecond.
    cured: [sound, { pathIdleLimit: 10_651 }],
  },
  {
    code: 'path-forgets',
    severity: 'error',
    options: { ...sound, interval: 320_000, userTimeout: 'auto' },
    context: { pathIdleLimit: 'aws-nlb' },
    says: 'Make `initialDelay` and `interval` shorter than 350 s',
    cured: [{ ...sound, interval: 300_000, userTimeout: 'auto' }, { pathIdleLimit: 'aws-nlb' }],
  },
  {
    code: 'path-forgets',
    severity: 'error',
    options: { enable: false },
    context: { pathIdleLimit: 300_000 },
    says: 'and no probe is ever sent',
    cured: [{ ...sound }, { pathIdleLimit: 300_000 }],
  },
  {
    code: 'payload-only-path',
    severity: 'warning',
    options: sound,
    context: { pathIdleLimit: 'heroku' },
    says: 'send an application ping within each 55 s',
    cured: [sound, { pathIdleLimit: 'azure-lb' }],
  },
  {
    code: 'slower-than-pool',
    severity: 'warning',
    options: { ...sound, userTimeout: 10_000 },
    context: { acquireTimeout: 10_000 },
    says: 'they fail before a dead connection is given up',
    cured: [{ ...sound, userTimeout: 8_000 }, { acquireTimeout: 10_000 }],
  },
  {
    code: 'slower-than-pool',
    severity: 'warning',
    options: { ...sound, userTimeout: 0 },
    context: { acquireTimeout: 10_000 },
    says: 'there is no user timeout',
    cured: [{ ...sound, userTimeout: 8_000 }, { acquireTimeout: 10_000 }],
  },
  {
    code: 'slower-than-pool',
    severity: 'note',
    options: { ...sound, userTimeout: 9_900 },
    context: { acquireTimeout: 10_000 },
    says: 'up to two retransmission timeouts',
    cured: [{ ...sound, userTimeout: 8_000 }, { acquireTimeout: 10_000 }],
  },
  {
    code: 'slower-than-pool',
    severity: 'note',
    options: sound,
    context: { acquireTimeout: predictDetection(sound).unacknowledged.latest },
    says: 'may take 25.6 s to fail',
    cured: [sound, { acquireTimeout: predictDetection(sound).unacknowledged.latest + 1 }],
  },
  {
    code: 'too-chatty',
    severity: 'warning',
    options: { ...sound, initialDelay: 4_000 },
    says: 'Make `initialDelay` at least 5 s',
    cured: [{ ...sound, initialDelay: 5_000 }],
  },
  {
    code: 'too-chatty',
    severity: 'warning',
    options: sound,
    context: { connections: 30_000 },
    says: '30000 idle connections send 3000 probes a second. Make `initialDelay` at least 30 s',
    cured: [{ ...sound, initialDelay: 30_000 }, { connections: 30_000 }],
  },
  {
    code: 'too-chatty',
    severity: 'warning',
    options: sound,
    context: { connections: 10_005 },
    says: '10005 idle connections send 1001 probes a second',
    cured: [sound, { connections: 10_000 }],
  },
  {
    code: 'too-chatty',
    severity: 'warning',
    options: sound,
    context: { connections: 100_001 },
    says: 'Make `initialDelay` at least 101 s',
    cured: [{ ...sound, initialDelay: 101_000 }, { connections: 100_001 }],
  },
  {
    code: 'too-chatty',
    severity: 'warning',
    options: { ...sound, interval: 12_000, userTimeout: 'auto' },
    context: { connections: 13_000 },
    says: '13000 idle connections send 1083 probes a second',
    // After an answered probe the timer waits for the longer of the two.
    cured: [{ ...sound, interval: 13_000, userTimeout: 'auto' }, { connections: 13_000 }],
  },
  {
    code: 'interval-below-round-trip',
    severity: 'warning',
    options: { ...sound, interval: 1_000 },
    context: { roundTrip: 1_350 },
    says: 'the interval (1 s) is below the round trip (1.4 s)',
    cured: [{ ...sound, interval: 2_000 }, { roundTrip: 2_000 }],
  },
  {
    code: 'interval-below-round-trip',
    severity: 'warning',
    options: { ...sound, interval: 1_000 },
    context: { roundTrip: 1_001 },
    says: 'Make `interval` several times the round trip',
    cured: [{ ...sound, interval: 1_000, enable: false }, { roundTrip: 1_001 }],
  },
  {
    code: 'slow-readers-cut',
    severity: 'note',
    options: sound,
    says: 'about 24.7 s after its buffer is full',
    cured: [{ ...sound, userTimeout: 0 }],
  },
  {
    code: 'slow-readers-cut',
    severity: 'note',
    options: sound,
    says: 'COPY or LOAD DATA into a busy server',
    cured: ['bulk'],
  },
  {
    code: 'data-unbounded',
    severity: 'note',
    options: 'bulk',
    says: '`maxRetransmitInterval` alone bounds data in flight, at about 29.3 s, on Linux 6.15 and later',
    cured: ['database'],
  },
  {
    code: 'data-unbounded',
    severity: 'warning',
    options: { ...presets.bulk, maxRetransmitInterval: 60_000 },
    says: 'hangs for about 15 minutes',
    cured: ['bulk'],
  },
  {
    code: 'slower-than-pool',
    severity: 'note',
    options: 'bulk',
    context: { acquireTimeout: 29_000 },
    says: 'there is no user timeout.',
    cured: ['bulk', { acquireTimeout: 60_000 }],
  },
  {
    // q = 1 - (1 - p)^2 is 9.75 %, and three in a row 0.093 %, of 36 000 periods of 10 s an hour.
    code: 'loss-ends-living',
    severity: 'warning',
    options: sound,
    context: { loss: 0.05, connections: 100 },
    says: 'of 100 living connections that are idle, a loss of 5 % each way ends 33 an hour: each ends after 3 unanswered probes',
    cured: [
      { ...sound, count: 6, userTimeout: 'auto' },
      { loss: 0.05, connections: 100 },
    ],
  },
  {
    code: 'loss-ends-living',
    severity: 'note',
    options: sound,
    context: { loss: 0.01 },
    says: 'of 1 living connection that is idle, a loss of 1 % each way ends 0.0028 an hour',
    cured: [sound],
  },
  {
    code: 'loss-ends-living',
    severity: 'note',
    options: sound,
    context: { loss: 0 },
    says: 'ends practically none an hour',
    cured: [{ ...sound, enable: false }, { loss: 0 }],
  },
  {
    code: 'route-change-ends-living',
    severity: 'note',
    options: { ...sound, failOnUnreachable: true },
    context: {},
    says: 'Keep it where connecting again is cheap and leads elsewhere',
    cured: [{ ...sound, failOnUnreachable: false }],
  },
];

describe('a finding', () => {
  test.each(rows)('$code ($severity): $says', ({ code, severity, options, context, says, cured }) => {
    expect(reviewKeepAlive(options, context)).toContainEqual({
      code,
      severity,
      message: expect.stringContaining(says),
    });
    expect(reviewKeepAlive(...cured)).not.toContainEqual(expect.objectContaining({ code, severity }));
  });

  test('has a heading in the documentation', () => {
    const headings = fs
      .readFileSync(new URL('../../docs/findings.md', import.meta.url), 'utf8')
      .match(/^## .*$/gm);
    expect(headings?.map((heading) => heading.slice(3)).sort()).toEqual(
      [...new Set(rows.map(({ code }) => code))].sort(),
    );
  });
});

describe('a review', () => {
  test.each([
    // As many as the user timeout makes go unanswered, so that none is lost, whatever `count` says.
    { options: { ...sound, count: 9 }, found: ['count-ignored', 'slow-readers-cut'] },
    { options: { ...sound, count: undefined }, found: ['slow-readers-cut'] },
    // Late timers leave two of four, and two were asked for.
    { options: { ...late, count: 2 }, found: ['count-ignored', 'slow-readers-cut'] },
    { options: { ...late, count: 3 }, found: ['early-user-timeout', 'count-ignored', 'slow-readers-cut'] },
  ])('of $options raises $found', ({ options, found }) => {
    expect(reviewKeepAlive(options).map(({ code }) => code)).toEqual(found);
  });

  test.each(Object.keys(presets) as PresetName[])('of the preset %s raises nothing above a note', (name) => {
    expect(reviewKeepAlive(name).filter(({ severity }) => severity !== 'note')).toEqual([]);
  });

  test.each<[FindingCode, KeepAliveInput, ReviewContext | undefined, string]>([
    ['idle-unbounded', { enable: false }, undefined, 'is gone. Give `initialDelay`, `interval` and `count`.'],
    // As many as asked for at the least, or one more would not be so.
    [
      'count-ignored',
      { ...sound, userTimeout: 20_000 },
      undefined,
      "instead. Make `userTimeout` 'auto' to have both agree.",
    ],
    ['count-ignored', { ...sound, count: 1 }, undefined, 'instead. Make `count` 3 to have both agree.'],
    [
      'count-ignored',
      { initialDelay: 10_000, interval: 1_000, count: 1, userTimeout: 136_500 },
      undefined,
      'instead. Make `count` 127 to have both agree.',
    ],
    [
      'early-user-timeout',
      { ...late, count: 5, userTimeout: 21_500 },
      undefined,
      'instead of 5. Make `count` 3, which are sure.',
    ],
    [
      'too-chatty',
      { ...sound, initialDelay: 4_000 },
      undefined,
      "is noise. Make `initialDelay` at least 5 s and `userTimeout` 'auto'.",
    ],
    [
      'too-chatty',
      { ...sound, initialDelay: 5_000 },
      { connections: 30_000 },
      '30000 idle connections send 6000 probes a second.',
    ],
    [
      'slower-than-pool',
      sound,
      { acquireTimeout: 4_359 },
      'No options are that fast: let callers wait 4360 ms or more.',
    ],
    [
      'slower-than-pool',
      sound,
      { acquireTimeout: 4_360 },
      'Make `initialDelay` 1 s, `interval` 1 s, `count` 3 and `userTimeout`',
    ],
    ['loss-ends-living', sound, { loss: 0.0123456 }, 'a loss of 1.23 % each way ends 0.0053 an hour'],
    ['loss-ends-living', sound, { loss: 0.004 }, 'ends practically none an hour'],
    ['loss-ends-living', sound, { loss: 1 }, 'a loss of 100 % each way ends 360 an hour'],
  ])('says with %s of %o %o: %s', (code, options, context, says) => {
    const finding = reviewKeepAlive(options, context).find((each) => each.code === code);
    expect(finding?.message).toContain(says);
  });

  test.each([
    // Without a bound, data in flight is given up after about 15 minutes, and with this one after about five.
    [30_000, 'note'],
    [30_001, 'warning'],
  ])(
    'of no bound on data in flight but maxRetransmitInterval %d is a %s',
    (maxRetransmitInterval, severity) => {
      const found = reviewKeepAlive({ ...presets.bulk, maxRetransmitInterval });
      expect(found).toContainEqual(expect.objectContaining({ code: 'data-unbounded', severity }));
    },
  );

  test.each([
    [1, 'note'],
    [2, 'warning'],
  ])('of %d living connections lost an hour is a %s', (connections, severity) => {
    // Every probe is lost, and they are sent once an hour.
    const hourly = { initialDelay: 3_600_000, interval: 5_000, count: 3 };
    const found = reviewKeepAlive(hourly, { loss: 1, connections });
    expect(found).toContainEqual(expect.objectContaining({ code: 'loss-ends-living', severity }));
  });

  test('of a plan raises no error', () => {
    const plan = planKeepAlive({ detectWithin: 30_000, pathIdleLimit: 'aws-nlb' });
    expect(reviewKeepAlive(plan, { pathIdleLimit: 'aws-nlb' }).map(({ severity }) => severity)).toEqual([
      'note',
      'note',
    ]);
  });

  test('puts the worst first', () => {
    const options = { initialDelay: 1_000, interval: 1_000, count: 1, userTimeout: 1_000 };
    const found = reviewKeepAlive(options).map(({ severity }) => severity);
    expect(found).toEqual(['error', 'warning', 'note', 'note']);
  });

  test.each([
    [{ acquireTimout: 1 }, 'did you mean `acquireTimeout`?'],
    [{ acquireTimeout: -1 }, 'Expected `acquireTimeout` to be from 1000 to 2147483647 milliseconds'],
    [{ acquireTimeout: 30 }, 'did you mean 30000?'],
    [{ connections: '9' }, 'Expected `connections` to be a positive integer, got `9` (string)'],
    [{ connections: 2.5 }, 'Expected `connections` to be a positive integer, got `2.5` (number)'],
    [{ connections: Infinity }, 'got `Infinity` (number)'],
    [{ connections: 0 }, 'got `0` (number)'],
    [{ loss: 5 }, 'Expected `loss` to be a fraction from 0 to 1, such as 0.05, got `5` (number)'],
    [{ loss: -0.1 }, 'got `-0.1` (number)'],
    [{ roundTrip: 0 }, 'Expected `roundTrip` to be a positive number of milliseconds, got `0` (number)'],
    [{ roundTrip: Infinity }, 'got `Infinity` (number)'],
    [{ roundTrip: Number.NaN }, 'Expected `roundTrip` to be a positive number of milliseconds'],
    [{ pathIdleLimit: 'azure' }, 'Expected `pathIdleLimit` to be at least 1000 milliseconds or one of'],
    [null, 'Expected a context such as'],
  ])('refuses the context %o', (context, message) => {
    expect(() => reviewKeepAlive('database', context as never)).toThrow(
      expect.objectContaining({
        code: 'ERR_KEEPALIVE_INVALID_OPTION',
        message: expect.stringContaining(message),
      }),
    );
  });
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { KeepAliveOptions } from '../../src/options/options.ts';
import { parseKeepAliveOptions } from '../../src/options/parse.ts';
import {
  type Finding,
  type FindingCode,
  type ReviewContext,
  reviewKeepAlive,
} from '../../src/predict/review.ts';

type Changes = { -readonly [name in keyof KeepAliveOptions]: KeepAliveOptions[name] };

/** Each advice that a finding may give, and what somebody who follows it does. */
const meanings: [RegExp, (changes: Changes, context: ReviewContext, ...words: string[]) => void][] = [
  [
    /Give (.*?)(?:\.|, and make|$)/,
    (changes, _, names = '') => {
      const usual = { initialDelay: 10_000, interval: 5_000, count: 3 };
      for (const [name, value] of Object.entries(usual))
        if (names.includes(`\`${name}\``)) changes[name as 'count'] = value;
    },
  ],
  [
    /`count` (?:at least )?(\d+)/,
    (changes, _, count) => {
      changes.count = Number(count);
    },
  ],
  [
    /`initialDelay` (?:at least )?([\d.]+) s/,
    (changes, _, seconds) => {
      changes.initialDelay = Number(seconds) * 1_000;
    },
  ],
  [
    /`interval` ([\d.]+) s/,
    (changes, _, seconds) => {
      changes.interval = Number(seconds) * 1_000;
    },
  ],
  [
    /`initialDelay` and `interval` shorter than ([\d.]+) s by an eighth/,
    (changes, _, seconds) => {
      const most = Math.floor(Number(seconds) * 0.85) * 1_000;
      changes.initialDelay = Math.min(changes.initialDelay ?? 10_000, most);
      changes.interval = Math.min(changes.interval ?? 5_000, most);
    },
  ],
  [
    /`interval` several times the round trip/,
    (changes, { roundTrip = 0 }) => {
      changes.interval = 4 * roundTrip;
    },
  ],
  [
    /`initialDelay` as long as `interval`/,
    (changes) => {
      changes.initialDelay = changes.interval;
    },
  ],
  [
    /`interval` longer beside `initialDelay`/,
    (changes) => {
      changes.interval = changes.initialDelay;
    },
  ],
  [
    /`userTimeout` (\d+) ms/,
    (changes, _, ms) => {
      changes.userTimeout = Number(ms);
    },
  ],
  [
    /`userTimeout` 'auto'/,
    (changes) => {
      changes.userTimeout = 'auto';
    },
  ],
];

function follow(
  { message }: Finding,
  options: KeepAliveOptions,
  context: ReviewContext,
): KeepAliveOptions | undefined {
  const advice = /(?:Make|Give) .*$/.exec(message)?.[0];
  if (advice === undefined) return undefined;
  const changes: Changes = { ...options };
  const found = meanings.filter(([pattern, change]) => {
    const words = pattern.exec(advice);
    if (words !== null) change(changes, context, ...words.slice(1));
    return words !== null;
  });
  expect(found, advice).not.toEqual([]);
  return changes;
}

const seconds = (max: number) => fc.integer({ min: 1, max }).map((value) => value * 1_000);
const someOptions: fc.Arbitrary<KeepAliveOptions> = fc.record(
  {
    enable: fc.constant(true),
    initialDelay: seconds(300),
    interval: seconds(100),
    count: fc.integer({ min: 1, max: 12 }),
    userTimeout: fc.oneof(seconds(600), fc.constant(0)),
  },
  { requiredKeys: [] },
);
const someContext: fc.Arbitrary<ReviewContext> = fc.record(
  {
    pathIdleLimit: fc.constantFrom<ReviewContext['pathIdleLimit']>(
      'aws-nlb',
      'azure-lb',
      'conntrack',
      60_000,
    ),
    acquireTimeout: seconds(60),
    roundTrip: fc.constantFrom(50, 500, 2_000, 5_000),
    connections: fc.constantFrom(10, 20_000),
  },
  { requiredKeys: [] },
);

test('whoever follows the advice of a finding is rid of it, and gets no error in return', () => {
  const seen = new Set<FindingCode>();
  fc.assert(
    fc.property(someOptions, someContext, (options, context) => {
      for (const finding of reviewKeepAlive(options, context)) {
        const advised = follow(finding, options, context);
        if (advised === undefined) continue;
        seen.add(finding.code);
        const before = reviewKeepAlive(options, context)
          .filter(({ severity }) => severity === 'error')
          .map(({ code }) => code);
        const after = reviewKeepAlive(parseKeepAliveOptions(advised), context);
        const worse = after.filter(
          ({ severity, code }) =>
            (severity === 'error' && !before.includes(code)) ||
            (severity !== 'note' && code === finding.code),
        );
        expect(worse, `${JSON.stringify(options)} ${finding.message} ${JSON.stringify(advised)}`).toEqual([]);
      }
    }),
    { numRuns: 3_000, seed: 20_261_127 },
  );
  expect([...seen].sort()).toEqual([
    'count-ignored',
    'data-unbounded',
    'early-user-timeout',
    'idle-unbounded',
    'interval-below-round-trip',
    'path-forgets',
    'single-probe',
    'slower-than-pool',
    'too-chatty',
  ]);
});

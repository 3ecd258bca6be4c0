import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type KeepAliveInput, optionNames, optionRanges } from '../../src/options/options.ts';
import { parseKeepAliveOptions, trustSettings } from '../../src/options/parse.ts';
import { type PresetName, presets } from '../../src/options/presets.ts';

const names =
  '`enable`, `initialDelay`, `interval`, `count`, `userTimeout`, `maxRetransmitInterval`, `failOnUnreachable`';
const presetNames = '`database`, `fastFailover`, `websocket`, `bulk`, `tunnel`, `loadBalancer`';
const milliseconds = 'from 1000 to 32767000 milliseconds';
const userTimeouts = "from 1000 to 2147483647 milliseconds, 0, or 'auto'";
const retransmitIntervals = "from 1000 to 120000 milliseconds, or 'auto'";
const counts = 'an integer from 1 to 127';
const unreadable = `Expected a preset (${presetNames}) or an object of options, got a value that cannot be read as such`;

/** Anything at all, in the place of options. */
const parse = (input: unknown) => parseKeepAliveOptions(input as KeepAliveInput);

class Empty {}
class Getting {
  get count(): number {
    return 3;
  }
}
class Unset {
  count: number | undefined;
}

/** Throws at each question. */
const throwing = (thrown: unknown) =>
  new Proxy(
    {},
    {
      ownKeys() {
        throw thrown;
      },
      get() {
        throw thrown;
      },
    },
  );

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

describe('bad input', () => {
  const badTimes = (['initialDelay', 'interval'] as const).flatMap((name) => [
    [TypeError, { [name]: '60000' }, `Expected \`${name}\` to be ${milliseconds}, got \`60000\` (string)`],
    [TypeError, { [name]: null }, `Expected \`${name}\` to be ${milliseconds}, got null`],
    [TypeError, { [name]: true }, `Expected \`${name}\` to be ${milliseconds}, got \`true\` (boolean)`],
    [TypeError, { [name]: 60_000n }, `Expected \`${name}\` to be ${milliseconds}, got \`60000\` (bigint)`],
    [TypeError, { [name]: [5_000] }, `Expected \`${name}\` to be ${milliseconds}, got an array`],
    [TypeError, { [name]: { ms: 5 } }, `Expected \`${name}\` to be ${milliseconds}, got an object`],
    [TypeError, { [name]: () => 5_000 }, `Expected \`${name}\` to be ${milliseconds}, got a function`],
    [
      TypeError,
      { [name]: Symbol('5') },
      `Expected \`${name}\` to be ${milliseconds}, got \`Symbol(5)\` (symbol)`,
    ],
    [TypeError, { [name]: 'auto' }, `Expected \`${name}\` to be ${milliseconds}, got \`auto\` (string)`],
    [RangeError, { [name]: NaN }, `Expected \`${name}\` to be ${milliseconds}, got \`NaN\` (number)`],
    [
      RangeError,
      { [name]: Infinity },
      `Expected \`${name}\` to be ${milliseconds}, got \`Infinity\` (number)`,
    ],
    [RangeError, { [name]: -1 }, `Expected \`${name}\` to be ${milliseconds}, got \`-1\` (number)`],
    [RangeError, { [name]: -60_000 }, `Expected \`${name}\` to be ${milliseconds}, got \`-60000\` (number)`],
    [RangeError, { [name]: 0 }, `Expected \`${name}\` to be ${milliseconds}, got \`0\` (number)`],
    [RangeError, { [name]: 0.5 }, `Expected \`${name}\` to be ${milliseconds}, got \`0.5\` (number)`],
    [
      RangeError,
      { [name]: 60 },
      `Expected \`${name}\` to be ${milliseconds}, got \`60\` (number); did you mean 60000?`,
    ],
    [
      RangeError,
      { [name]: 1 },
      `Expected \`${name}\` to be ${milliseconds}, got \`1\` (number); did you mean 1000?`,
    ],
    [
      RangeError,
      { [name]: 7.5 },
      `Expected \`${name}\` to be ${milliseconds}, got \`7.5\` (number); did you mean 7500?`,
    ],
    [
      RangeError,
      { [name]: 999 },
      `Expected \`${name}\` to be ${milliseconds}, got \`999\` (number); did you mean 999000?`,
    ],
    [
      RangeError,
      { [name]: 32_767_001 },
      `Expected \`${name}\` to be ${milliseconds}, got \`32767001\` (number)`,
    ],
    [
      RangeError,
      { [name]: 2 ** 53 },
      `Expected \`${name}\` to be ${milliseconds}, got \`9007199254740992\` (number)`,
    ],
  ]);

  const badCounts = [
    [TypeError, { count: '3' }, `Expected \`count\` to be ${counts}, got \`3\` (string)`],
    [TypeError, { count: null }, `Expected \`count\` to be ${counts}, got null`],
    [TypeError, { count: false }, `Expected \`count\` to be ${counts}, got \`false\` (boolean)`],
    [
      TypeError,
      { count: new Number(3) },
      `Expected \`count\` to be ${counts}, got an object of class Number`,
    ],
    [RangeError, { count: NaN }, `Expected \`count\` to be ${counts}, got \`NaN\` (number)`],
    [RangeError, { count: Infinity }, `Expected \`count\` to be ${counts}, got \`Infinity\` (number)`],
    [RangeError, { count: 2.5 }, `Expected \`count\` to be ${counts}, got \`2.5\` (number)`],
    [RangeError, { count: -3 }, `Expected \`count\` to be ${counts}, got \`-3\` (number)`],
    [RangeError, { count: 0 }, `Expected \`count\` to be ${counts}, got \`0\` (number)`],
    [RangeError, { count: 128 }, `Expected \`count\` to be ${counts}, got \`128\` (number)`],
    [RangeError, { count: 3_000 }, `Expected \`count\` to be ${counts}, got \`3000\` (number)`],
  ];

  const badRetransmitIntervals = [
    [TypeError, '3000', '`3000` (string)'],
    [TypeError, null, 'null'],
    [RangeError, NaN, '`NaN` (number)'],
    [RangeError, 0, '`0` (number)'],
    [RangeError, 3, '`3` (number); did you mean 3000?'],
    [RangeError, 999.9, '`999.9` (number); did you mean 999900?'],
    [RangeError, 120_001, '`120001` (number)'],
  ].map(([type, value, got]) => [
    type,
    { maxRetransmitInterval: value },
    `Expected \`maxRetransmitInterval\` to be ${retransmitIntervals}, got ${got}`,
  ]);

  const badUserTimeouts = [
    [
      TypeError,
      { userTimeout: '24500' },
      `Expected \`userTimeout\` to be ${userTimeouts}, got \`24500\` (string)`,
    ],
    [
      TypeError,
      { userTimeout: 'Auto' },
      `Expected \`userTimeout\` to be ${userTimeouts}, got \`Auto\` (string)`,
    ],
    [TypeError, { userTimeout: null }, `Expected \`userTimeout\` to be ${userTimeouts}, got null`],
    [
      TypeError,
      { userTimeout: false },
      `Expected \`userTimeout\` to be ${userTimeouts}, got \`false\` (boolean)`,
    ],
    [
      RangeError,
      { userTimeout: NaN },
      `Expected \`userTimeout\` to be ${userTimeouts}, got \`NaN\` (number)`,
    ],
    [
      RangeError,
      { userTimeout: Infinity },
      `Expected \`userTimeout\` to be ${userTimeouts}, got \`Infinity\` (number)`,
    ],
    [RangeError, { userTimeout: -1 }, `Expected \`userTimeout\` to be ${userTimeouts}, got \`-1\` (number)`],
    [
      RangeError,
      { userTimeout: 0.1 },
      `Expected \`userTimeout\` to be ${userTimeouts}, got \`0.1\` (number)`,
    ],
    [
      RangeError,
      { userTimeout: 25 },
      `Expected \`userTimeout\` to be ${userTimeouts}, got \`25\` (number); did you mean 25000?`,
    ],
    [
      RangeError,
      { userTimeout: 2 ** 31 },
      `Expected \`userTimeout\` to be ${userTimeouts}, got \`2147483648\` (number)`,
    ],
  ];

  const badEnables = [
    [TypeError, { enable: 1 }, 'Expected `enable` to be true or false, got `1` (number)'],
    [TypeError, { enable: 0 }, 'Expected `enable` to be true or false, got `0` (number)'],
    [TypeError, { enable: NaN }, 'Expected `enable` to be true or false, got `NaN` (number)'],
    [TypeError, { enable: 'true' }, 'Expected `enable` to be true or false, got `true` (string)'],
    [TypeError, { enable: null }, 'Expected `enable` to be true or false, got null'],
    [
      TypeError,
      { failOnUnreachable: 1 },
      'Expected `failOnUnreachable` to be true or false, got `1` (number)',
    ],
    [TypeError, { enable: {} }, 'Expected `enable` to be true or false, got an object'],
  ];

  const beside =
    "Expected `initialDelay`, `interval` and `count` beside `userTimeout: 'auto'`, which is made from them, got";
  const badAutos = [
    [TypeError, { userTimeout: 'auto' }, `${beside} none of them`],
    [TypeError, { userTimeout: 'auto', enable: true }, `${beside} none of them`],
    [TypeError, { userTimeout: 'auto', count: 3 }, `${beside} only \`count\``],
    [TypeError, { userTimeout: 'auto', interval: 1_000, count: 3 }, `${beside} only \`interval\`, \`count\``],
    [
      TypeError,
      { userTimeout: 'auto', initialDelay: 1_000, count: 3 },
      `${beside} only \`initialDelay\`, \`count\``,
    ],
    [
      TypeError,
      { userTimeout: 'auto', initialDelay: 1_000, interval: 1_000 },
      `${beside} only \`initialDelay\`, \`interval\``,
    ],
    [
      RangeError,
      { userTimeout: 'auto', initialDelay: 32_767_000, interval: 32_767_000, count: 127 },
      "Expected `userTimeout: 'auto'` to come to at most 2147483647 milliseconds, got 4194175500 (initialDelay + interval * count)",
    ],
  ];

  const badKeys = [
    [TypeError, { intervall: 5_000 }, `Expected ${names}, got \`intervall\`; did you mean \`interval\`?`],
    [
      TypeError,
      { initialdelay: 5_000 },
      `Expected ${names}, got \`initialdelay\`; did you mean \`initialDelay\`?`,
    ],
    [TypeError, { enabled: true }, `Expected ${names}, got \`enabled\`; did you mean \`enable\`?`],
    [TypeError, { timeout: 5_000 }, `Expected ${names}, got \`timeout\``],
    [TypeError, { count: 3, TCP_KEEPCNT: 3 }, `Expected ${names}, got \`TCP_KEEPCNT\``],
    [TypeError, JSON.parse('{ "__proto__": { "count": 3 } }'), `Expected ${names}, got \`__proto__\``],
    [TypeError, { hasOwnProperty: 1 }, `Expected ${names}, got \`hasOwnProperty\``],
    // An unknown name is told even where nothing was meant by it.
    [TypeError, { retries: undefined }, `Expected ${names}, got \`retries\``],
  ];

  const badOptions = [
    [
      RangeError,
      'databse',
      `Expected a preset (${presetNames}) or an object of options, got \`databse\` (string); did you mean \`database\`?`,
    ],
    [
      RangeError,
      'Database',
      `Expected a preset (${presetNames}) or an object of options, got \`Database\` (string); did you mean \`database\`?`,
    ],
    [
      RangeError,
      'toString',
      `Expected a preset (${presetNames}) or an object of options, got \`toString\` (string)`,
    ],
    [
      RangeError,
      '__proto__',
      `Expected a preset (${presetNames}) or an object of options, got \`__proto__\` (string)`,
    ],
    [RangeError, '', `Expected a preset (${presetNames}) or an object of options, got \`\` (string)`],
    [
      RangeError,
      'x'.repeat(50),
      `Expected a preset (${presetNames}) or an object of options, got \`${'x'.repeat(40)}...\` (string)`,
    ],
    [TypeError, undefined, `Expected a preset (${presetNames}) or an object of options, got undefined`],
    [TypeError, null, `Expected a preset (${presetNames}) or an object of options, got null`],
    [TypeError, true, `Expected a preset (${presetNames}) or an object of options, got \`true\` (boolean)`],
    [TypeError, 60_000, `Expected a preset (${presetNames}) or an object of options, got \`60000\` (number)`],
    [TypeError, [], `Expected a preset (${presetNames}) or an object of options, got an array`],
    [TypeError, ['database'], `Expected a preset (${presetNames}) or an object of options, got an array`],
    [
      TypeError,
      () => presets.database,
      `Expected a preset (${presetNames}) or an object of options, got a function`,
    ],
    [
      TypeError,
      Symbol('database'),
      `Expected a preset (${presetNames}) or an object of options, got \`Symbol(database)\` (symbol)`,
    ],
    [TypeError, revoked(), unreadable],
    [TypeError, throwing(new Error('no')), unreadable],
    [TypeError, throwing(null), unreadable],
    [TypeError, throwing(throwing('no')), unreadable],
    ...[Promise.resolve({ count: 3 }), new Map([['count', 3]]), new Date(), new Empty()].map((input) => [
      TypeError,
      input,
      `Expected a preset (${presetNames}) or an object of options, got an object of class ${input.constructor.name}`,
    ]),
    [
      TypeError,
      Object.create({
        get constructor() {
          throw new Error('no');
        },
      }),
      unreadable,
    ],
    [TypeError, { count: revoked() }, unreadable],
  ];

  const rows = [
    badTimes,
    badCounts,
    badUserTimeouts,
    badRetransmitIntervals,
    badEnables,
    badAutos,
    badKeys,
    badOptions,
  ].flat();
  test.each(rows.map(([type, input, message], row) => ({ row, type, input, message })))(
    '$row: $message',
    ({ type, input, message }) => {
      const error = thrownBy(() => parse(input));
      expect(error).toBeInstanceOf(type);
      expect(error).toMatchObject({ code: 'ERR_KEEPALIVE_INVALID_OPTION', message });
      // Nothing was touched, so there is nothing to say of that.
      expect(error).not.toHaveProperty('applied');
    },
  );

  test('what a getter threw is the cause', () => {
    const cause = new Error('not to be read');
    expect(thrownBy(() => parse(throwing(cause)))).toHaveProperty('cause', cause);
  });
});

function thrownBy(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  return expect.fail('nothing was thrown');
}

describe('good input', () => {
  test.each([
    { input: {}, settings: {} },
    { input: Object.create(null), settings: {} },
    { input: { count: undefined, userTimeout: undefined, enable: undefined }, settings: {} },
    { input: { enable: false }, settings: { enable: false } },
    { input: { failOnUnreachable: true }, settings: { failOnUnreachable: true } },
    { input: { userTimeout: 0 }, settings: { userTimeout: 0 } },
    { input: { userTimeout: 5_000 }, settings: { userTimeout: 5_000 } },
    { input: { initialDelay: 1_000 }, settings: { enable: true, initialDelay: 1_000 } },
    { input: { interval: 1_000 }, settings: { enable: true, interval: 1_000 } },
    { input: { count: 1 }, settings: { enable: true, count: 1 } },
    { input: { count: 127, enable: false }, settings: { enable: false, count: 127 } },
    { input: { initialDelay: 32_767_000 }, settings: { enable: true, initialDelay: 32_767_000 } },
    { input: { userTimeout: 2_147_483_647 }, settings: { userTimeout: 2_147_483_647 } },
  ])('$input is $settings', ({ input, settings }) => {
    expect(parse(input)).toStrictEqual(settings);
  });

  test.each([
    { given: 1_000, seconds: 1 },
    { given: 1_000.000_1, seconds: 2 },
    { given: 1_500, seconds: 2 },
    { given: 1_999, seconds: 2 },
    { given: 2_000, seconds: 2 },
    { given: 32_766_001, seconds: 32_767 },
  ])('$given ms is $seconds s, rounded up', ({ given, seconds }) => {
    expect(parse({ initialDelay: given, interval: given })).toMatchObject({
      initialDelay: seconds * 1_000,
      interval: seconds * 1_000,
    });
  });

  test('a fraction of a user timeout is rounded up to a millisecond', () => {
    expect(parse({ userTimeout: 1_500.2 })).toEqual({ userTimeout: 1_501 });
    expect(Object.is(parse({ userTimeout: -0 }).userTimeout, 0)).toBe(true);
  });

  test.each([
    { options: { initialDelay: 10_000, interval: 5_000, count: 3 }, userTimeout: 24_500 },
    { options: { initialDelay: 5_000, interval: 2_000, count: 3 }, userTimeout: 10_500 },
    { options: { initialDelay: 1_000, interval: 1_000, count: 1 }, userTimeout: 1_500 },
    // Made from the rounded times, which are what the kernel will count.
    { options: { initialDelay: 1_001, interval: 1_001, count: 2 }, userTimeout: 5_500 },
    { options: { enable: false, initialDelay: 60_000, interval: 10_000, count: 3 }, userTimeout: 89_500 },
  ])("'auto' for $options is $userTimeout", ({ options, userTimeout }) => {
    expect(parse({ ...options, userTimeout: 'auto' })).toMatchObject({ userTimeout });
  });

  test.each([
    { options: { userTimeout: 24_500 }, want: 3_062 },
    { options: { initialDelay: 10_000, interval: 5_000, count: 3, userTimeout: 'auto' }, want: 3_062 },
    { options: { userTimeout: 8_007 }, want: 1_000 },
    { options: { userTimeout: 1_000 }, want: 1_000 },
    { options: { userTimeout: 960_000 }, want: 120_000 },
    { options: { userTimeout: 2_147_483_647 }, want: 120_000 },
    // Without a user timeout it alone would bound data in flight.
    { options: { userTimeout: 0 }, want: undefined },
    { options: {}, want: undefined },
  ])("a maxRetransmitInterval of 'auto' for $options is $want", ({ options, want }) => {
    expect(parse({ ...options, maxRetransmitInterval: 'auto' }).maxRetransmitInterval).toBe(want);
  });

  test.each([1_000, 120_000])('a maxRetransmitInterval of %i ms is the least or the most', (edge) => {
    expect(parse({ maxRetransmitInterval: edge })).toEqual({ maxRetransmitInterval: edge });
  });

  test('a maxRetransmitInterval is rounded up to a millisecond, and turns no probes on', () => {
    expect(parse({ maxRetransmitInterval: 1_500.2 })).toEqual({ maxRetransmitInterval: 1_501 });
  });

  test.each([
    { what: 'an empty object', input: {}, want: {} },
    { what: 'one without a prototype', input: Object.create(null), want: {} },
    { what: 'one of another context', input: runInNewContext('({})'), want: {} },
    { what: 'a class whose field is a getter', input: new Getting(), want: { enable: true, count: 3 } },
    { what: 'a class whose field is not set', input: new Unset(), want: {} },
  ])('$what', ({ input, want }) => {
    expect(parse(input)).toEqual(want);
  });

  test('inherited options count, as everywhere in JavaScript', () => {
    expect(parse(Object.create({ count: 3 }))).toEqual({ enable: true, count: 3 });
  });

  test('each field is read once', () => {
    let reads = 0;
    const options = {
      get count() {
        reads++;
        return reads === 1 ? 3 : 9_999;
      },
    };
    expect(parse(options)).toEqual({ enable: true, count: 3 });
    expect(reads).toBe(1);
  });
});

describe('what is made once', () => {
  test.each(Object.keys(presets) as PresetName[])('the preset %s', (name) => {
    const maxRetransmitInterval = Math.floor(presets[name].userTimeout / 8) || 2_000;
    expect(parseKeepAliveOptions(name)).toEqual({ ...presets[name], maxRetransmitInterval });
    expect(parseKeepAliveOptions(name)).toBe(parseKeepAliveOptions(name));
    expect(parseKeepAliveOptions(name)).toBe(parseKeepAliveOptions(presets[name]));
  });

  test('a frozen plain object', () => {
    const options = Object.freeze({ count: 3 });
    expect(parse(options)).toBe(parse(options));
  });

  test('not an object that may change', () => {
    const options = { count: 3 };
    const first = parse(options);
    options.count = 4;
    expect(first.count).toBe(3);
    expect(parse(options).count).toBe(4);
  });

  test('not a frozen one with a getter', () => {
    let count = 3;
    const options = Object.freeze({
      interval: 1_000,
      get count() {
        return count;
      },
    });
    expect(parse(options).count).toBe(3);
    count = 4;
    expect(parse(options).count).toBe(4);
  });

  test('not a frozen one that inherits what may change', () => {
    const defaults = { count: 3 };
    const options = Object.freeze(Object.create(defaults));
    expect(parse(options).count).toBe(3);
    defaults.count = 4;
    expect(parse(options).count).toBe(4);
  });

  test('settings that were read from a kernel pass as they are', () => {
    const settings = Object.freeze({ enable: true, userTimeout: 250 });
    trustSettings(settings);
    expect(parse(settings)).toBe(settings);
  });
});

describe('anything at all is refused with a code, or in range', () => {
  const anyField = fc.oneof(
    fc.anything(),
    fc.double(),
    fc.integer({ min: -10, max: 200 }),
    fc.integer({ min: 900, max: 32_768_000 }),
    fc.constantFrom('auto', true, false, undefined),
  );
  const options = fc.record(Object.fromEntries(optionNames.map((name) => [name, anyField])), {
    requiredKeys: [],
  });
  const goodOptions = fc.record(
    {
      enable: fc.boolean(),
      initialDelay: fc.double({ min: 1_000, max: 32_767_000, noNaN: true }),
      interval: fc.double({ min: 1_000, max: 32_767_000, noNaN: true }),
      count: fc.integer({ min: 1, max: 127 }),
      userTimeout: fc.double({ min: 1_000, max: 2_147_483_647, noNaN: true }),
      maxRetransmitInterval: fc.double({ min: 1_000, max: 120_000, noNaN: true }),
    },
    { requiredKeys: [] },
  );
  // A proxy each of whose traps answers with anything, or throws it.
  const hostile = fc
    .tuple(fc.func(fc.anything()), fc.boolean(), fc.constantFrom('get', 'ownKeys', 'getPrototypeOf', 'has'))
    .map(([answer, throws, trap]) => {
      const handler = (...args: unknown[]) => {
        if (throws) throw answer(...args);
        return answer(...args);
      };
      return () => new Proxy({ count: 3 }, { [trap]: handler });
    });
  // Made inside the test, because fast-check itself looks at what it hands over.
  const made = <T>(arbitrary: fc.Arbitrary<T>) => arbitrary.map((value) => () => value as unknown);

  test.each([
    { input: 'anything', arbitrary: made(fc.anything({ withBigInt: true, withNullPrototype: true })) },
    { input: 'options with any values', arbitrary: made(options) },
    { input: 'a hostile proxy', arbitrary: hostile },
    { input: 'any string', arbitrary: made(fc.string()) },
  ])('$input', ({ arbitrary }) => {
    fc.assert(
      fc.property(arbitrary as fc.Arbitrary<() => unknown>, (make) => {
        let settings: ReturnType<typeof parseKeepAliveOptions>;
        try {
          settings = parse(make());
        } catch (error) {
          expect(error).toHaveProperty('code', 'ERR_KEEPALIVE_INVALID_OPTION');
          return;
        }
        expectInRange(settings);
      }),
      { numRuns: 500 },
    );
  });

  test('good options are all accepted, and never rounded down', () => {
    fc.assert(
      fc.property(goodOptions, (input) => {
        const settings = parse(input);
        expectInRange(settings);
        for (const name of Object.keys(optionRanges) as (keyof typeof optionRanges)[]) {
          const given = input[name];
          if (given === undefined) expect(settings).not.toHaveProperty(name);
          else
            expect(Number(settings[name]) - given).toSatisfy(
              (more: number) => more >= 0 && more < optionRanges[name].step,
            );
        }
      }),
      { numRuns: 500 },
    );
  });
});

function expectInRange(settings: ReturnType<typeof parseKeepAliveOptions>): void {
  expect(Object.isFrozen(settings)).toBe(true);
  expect(optionNames).toEqual(expect.arrayContaining(Object.keys(settings)));
  expect([undefined, true, false]).toContain(settings.enable);
  for (const [name, { min, max, step }] of Object.entries(optionRanges)) {
    const value = settings[name as keyof typeof optionRanges];
    if (value === undefined || (name === 'userTimeout' && value === 0)) continue;
    expect(value % step).toBe(0);
    expect(value).toBeGreaterThanOrEqual(min);
    expect(value).toBeLessThanOrEqual(max);
  }
}

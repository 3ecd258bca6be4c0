import net from 'node:net';
import {
  installKeepAlive,
  keepAlive,
  keepAliveServer,
  planKeepAlive,
  predictDetection,
  reviewKeepAlive,
  setKeepAlive,
} from 'tcp-keepalive';
import { heartbeat, heartbeatPg } from 'tcp-keepalive/heartbeat';
import { keepAliveHttp } from 'tcp-keepalive/http';
import { keepAliveUndici } from 'tcp-keepalive/undici';
import { describe, expect, test } from 'vitest';
import {
  aBoolean,
  aFunction,
  aNumber,
  anything,
  type Field,
  optional,
  otherwise,
  readable,
  readFields,
  secondsHint,
  within,
} from '../../src/options/fields.ts';

const WHAT = 'an object such as { on: true }';
const table = { on: otherwise(aBoolean, false), rows: optional(within({ min: 1, max: 9, unit: 'rows' })) };
const read = (input: unknown) => readFields(WHAT, input, table);

/** Throws at each question. */
function throwing(thrown: unknown): object {
  const trap = () => {
    throw thrown;
  };
  return new Proxy({}, { get: trap, ownKeys: trap, has: trap, getPrototypeOf: trap });
}

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

/** An error with this message, and nothing touched. */
function invalid(type: typeof TypeError | typeof RangeError, message: string): unknown {
  return expect.toSatisfy(
    (error) =>
      error instanceof type &&
      error.message === message &&
      (error as { code?: unknown }).code === 'ERR_KEEPALIVE_INVALID_OPTION',
    `${type.name} ${message}`,
  );
}

class Sized {
  get rows(): number {
    return 4;
  }
}

describe('the reader of a caller’s object', () => {
  test.each([
    { input: {}, fields: { on: false, rows: undefined } },
    { input: { on: true }, fields: { on: true, rows: undefined } },
    { input: { on: undefined, rows: 9 }, fields: { on: false, rows: 9 } },
    { input: Object.create(null), fields: { on: false, rows: undefined } },
    { input: Object.create({ on: true }), fields: { on: true, rows: undefined } },
    { input: new Sized(), fields: { on: false, rows: 4 } },
  ])('gives the fields of $input', ({ input, fields }) => {
    expect(read(input)).toStrictEqual(fields);
  });

  test.each([
    [undefined, 'undefined'],
    [null, 'null'],
    [true, '`true` (boolean)'],
    ['on', '`on` (string)'],
    [5, '`5` (number)'],
    [Symbol('on'), '`Symbol(on)` (symbol)'],
    [[], 'an array'],
    [[true], 'an array'],
    [() => {}, 'a function'],
    [class {}, 'a function'],
    [Promise.resolve({ on: true }), 'an object of class Promise'],
    [new Map([['on', true]]), 'an object of class Map'],
    [new Date(), 'an object of class Date'],
    [new (class Empty {})(), 'an object of class Empty'],
  ])('refuses %o, which is no such object', (input, got) => {
    expect(() => read(input)).toThrow(invalid(TypeError, `Expected ${WHAT}, got ${got}`));
  });

  test.each([
    [{ no: true }, '`no`; did you mean `on`?'],
    [{ on: true, Rows: 5 }, '`Rows`; did you mean `rows`?'],
    [{ colour: undefined }, '`colour`'],
    [{ toString: 1 }, '`toString`'],
    [JSON.parse('{ "__proto__": {} }'), '`__proto__`'],
    [{ 'a\nb': 1 }, '`a\\nb`'],
    [{ ['x'.repeat(99)]: 1 }, `\`${'x'.repeat(40)}...\``],
  ])('refuses a field that it does not know: %o', (input, got) => {
    expect(() => read(input)).toThrow(invalid(TypeError, `Expected \`on\`, \`rows\`, got ${got}`));
  });

  test('reads each field once', () => {
    let reads = 0;
    const input = {
      get on() {
        reads += 1;
        return reads === 1 ? true : 'changed';
      },
    };
    expect(read(input)).toMatchObject({ on: true });
    expect(reads).toBe(1);
  });

  test.each([
    ['a revoked proxy', revoked()],
    ['one whose getters throw', throwing(new Error('no'))],
    ['one that throws nothing', throwing(undefined)],
    ['one that throws what throws', throwing(throwing('no'))],
    ['one that throws a revoked proxy', throwing(revoked())],
    ['a value that cannot be shown', { rows: revoked() }],
  ])('refuses %s', (_, input) => {
    const message = `Expected ${WHAT}, got a value that cannot be read as such`;
    expect(() => read(input)).toThrow(invalid(TypeError, message));
  });

  test('keeps what a getter threw as the cause', () => {
    const cause = new Error('no');
    expect(() => readable('a rule', () => Reflect.get(throwing(cause), 'on'))).toThrow(
      expect.objectContaining({ cause }),
    );
  });
});

describe('a field', () => {
  const time = within({ min: 1_000, max: 5_000, unit: 'milliseconds' });
  const wait = within({ min: 1, max: 100, unit: 'milliseconds' });
  const hertz = within({ min: 24, max: 1_200, unit: 'ticks a second' });
  const even = aNumber('an even number', (value) => value % 2 === 0);

  test.each<[string, Field<unknown>, unknown]>([
    ['true or false', aBoolean, false],
    ['a function', aFunction, Math.max],
    ['a number that passes', even, 4],
    ['a time', time, 1_000],
    ['a fraction of a millisecond', time, 1_000.5],
    ['the longest time', time, 5_000],
    ['a whole number', hertz, 24],
    ['anything', anything, undefined],
    ['nothing, if it may be left out', optional(time), undefined],
  ])('takes %s as it is', (_, field, value) => {
    expect(field(value, 'field')).toBe(value);
  });

  test('that is left out is what else stands for it', () => {
    expect(otherwise(time, 2_000)(undefined, 'field')).toBe(2_000);
    expect(otherwise(time, 2_000)(3_000, 'field')).toBe(3_000);
  });

  test.each<[Field<unknown>, unknown, typeof TypeError | typeof RangeError, string]>([
    [aBoolean, 1, TypeError, 'true or false, got `1` (number)'],
    [aBoolean, undefined, TypeError, 'true or false, got undefined'],
    [aFunction, {}, TypeError, 'a function, got an object'],
    [even, 3, RangeError, 'an even number, got `3` (number)'],
    [even, '4', TypeError, 'an even number, got `4` (string)'],
    [time, 999, RangeError, 'from 1000 to 5000 milliseconds, got `999` (number); did you mean 999000?'],
    [time, 1, RangeError, 'from 1000 to 5000 milliseconds, got `1` (number); did you mean 1000?'],
    [time, 0.5, RangeError, 'from 1000 to 5000 milliseconds, got `0.5` (number)'],
    [time, 5_000.1, RangeError, 'from 1000 to 5000 milliseconds, got `5000.1` (number)'],
    [time, Number.NaN, RangeError, 'from 1000 to 5000 milliseconds, got `NaN` (number)'],
    [time, '2000', TypeError, 'from 1000 to 5000 milliseconds, got `2000` (string)'],
    [time, null, TypeError, 'from 1000 to 5000 milliseconds, got null'],
    [optional(time), null, TypeError, 'from 1000 to 5000 milliseconds, got null'],
    // So short a time may be meant if one is allowed.
    [wait, 500, RangeError, 'from 1 to 100 milliseconds, got `500` (number)'],
    [hertz, 23, RangeError, 'an integer from 24 to 1200 ticks a second, got `23` (number)'],
    [hertz, 1_201, RangeError, 'an integer from 24 to 1200 ticks a second, got `1201` (number)'],
    [hertz, 24.5, RangeError, 'an integer from 24 to 1200 ticks a second, got `24.5` (number)'],
  ])('%o refuses %o', (field, value, type, message) => {
    expect(() => field(value, 'field')).toThrow(invalid(type, `Expected \`field\` to be ${message}`));
  });
});

describe('every function that takes an object refuses what is none', () => {
  const socket = new net.Socket();
  const server = net.createServer();
  const strict = 'an object such as { strict: true }';
  const onError = 'an object such as { onError }';
  const readers: Record<string, { what: string; call(input: unknown): unknown }> = {
    setKeepAlive: { what: strict, call: (input) => setKeepAlive(socket, 'database', input as object) },
    keepAlive: { what: onError, call: (input) => keepAlive(socket, 'database', input as object) },
    keepAliveServer: { what: onError, call: (input) => keepAliveServer(server, 'database', input as object) },
    predictDetection: {
      what: 'a system such as { hz: 250 }',
      call: (input) => predictDetection('database', input as object),
    },
    reviewKeepAlive: {
      what: 'a context such as { connections: 100 }',
      call: (input) => reviewKeepAlive('database', input as object),
    },
    planKeepAlive: {
      what: 'a goal such as { detectWithin: 30000 }',
      call: (input) => planKeepAlive(input as never),
    },
    installKeepAlive: {
      what: 'an object { side, host, port, use }',
      call: (input) => installKeepAlive([input as never]),
    },
    heartbeat: {
      what: 'an object { ping, every, timeout, onDead }',
      call: (input) => heartbeat(input as never),
    },
    "a driver's heartbeat": {
      what: 'an object such as { every: 25000, timeout: 10000 }',
      call: (input) => heartbeatPg({ idleCount: 0, connect: () => Promise.reject() }, input as object),
    },
    'a driver module': { what: onError, call: (input) => keepAliveHttp(server, 'database', input as object) },
    "a driver's configuration": {
      what: 'the options of a dispatcher of undici',
      call: (input) => keepAliveUndici(input as object, 'database'),
    },
  };
  const values = [
    { value: null, got: 'null' },
    { value: true, got: '`true` (boolean)' },
    { value: 'strict', got: '`strict` (string)' },
    { value: 5, got: '`5` (number)' },
    { value: [], got: 'an array' },
    { value: () => {}, got: 'a function' },
    { value: Promise.resolve(), got: 'an object of class Promise' },
  ];
  const rows = Object.entries(readers).flatMap(([name, reader]) =>
    values.map((row) => ({ name, ...reader, ...row })),
  );
  test.each(rows)('$name, given $got', ({ what, call, value, got }) => {
    expect(() => call(value)).toThrow(
      expect.objectContaining({
        name: 'TypeError',
        code: 'ERR_KEEPALIVE_INVALID_OPTION',
        message: expect.stringContaining(`Expected ${what}, got ${got}`),
      }),
    );
  });

  test.each([
    {
      call: () => reviewKeepAlive('database', { connections: 2.5 }),
      message: 'Expected `connections` to be a positive integer, got `2.5` (number)',
    },
    {
      call: () => planKeepAlive({ detectWithin: 30_000, probes: 3.5 }),
      message: 'Expected `probes` to be an integer from 1 to 127 probes, got `3.5` (number)',
    },
  ])('$message', ({ call, message }) => {
    expect(call).toThrow(invalid(RangeError, message));
  });
});

test.each([
  { value: 0.5, hint: '' },
  { value: 1, hint: '; did you mean 1000?' },
  { value: 999, hint: '; did you mean 999000?' },
  { value: 1_000, hint: '' },
  { value: '60', hint: '' },
])('a time of $value has the hint "$hint"', ({ value, hint }) => {
  expect(secondsHint(value)).toBe(hint);
});

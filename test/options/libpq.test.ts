import { describe, expect, test } from 'vitest';
import { type LibpqTimes, optionsFromLibpq } from '../../src/options/libpq.ts';

const all =
  'keepalives=1&keepalives_idle=10&keepalives_interval=5&keepalives_count=3&tcp_user_timeout=24500&connect_timeout=5';
const times: LibpqTimes = {
  options: { enable: true, initialDelay: 10_000, interval: 5_000, count: 3, userTimeout: 24_500 },
  connectTimeout: 5_000,
};

test.each<[string, string | URL | Record<string, unknown>]>([
  ['a URL', `postgres://user:secret@db.internal:5432/app?sslmode=require&${all}`],
  ['a URL as an object', new URL(`postgresql://db.internal/app?${all}`)],
  ['pairs', `host=db.internal password='a b\\'=c' ${all.replaceAll('&', ' ')}`],
  ['pairs with spaces', ` ${all.replaceAll('&', ' ').replaceAll('=', ' = ')} `],
  [
    'an object of numbers',
    {
      host: 'db',
      keepalives: 1,
      keepalives_idle: 10,
      keepalives_interval: 5,
      keepalives_count: 3,
      tcp_user_timeout: 24_500,
      connect_timeout: 5,
    },
  ],
  ['an object of text', Object.fromEntries(new URLSearchParams(all))],
])('%s', (_what, source) => {
  expect(optionsFromLibpq(source)).toEqual(times);
});

test.each<[string, LibpqTimes]>([
  ['', { options: { enable: true }, connectTimeout: undefined }],
  ['keepalives=0', { options: { enable: false }, connectTimeout: undefined }],
  [
    'keepalives_idle=0 keepalives_interval=0 keepalives_count=0 tcp_user_timeout=0 connect_timeout=0',
    { options: { enable: true }, connectTimeout: undefined },
  ],
  ['connect_timeout=1', { options: { enable: true }, connectTimeout: 2_000 }],
  [
    "keepalives_idle='7' keepalives_idle=8",
    { options: { enable: true, initialDelay: 8_000 }, connectTimeout: undefined },
  ],
  [
    'postgres://db?keepalives_idle=7&keepalives_idle=8',
    { options: { enable: true, initialDelay: 8_000 }, connectTimeout: undefined },
  ],
  ['postgres://db?keepalives_idle=', { options: { enable: true }, connectTimeout: undefined }],
])('%s is read as libpq does', (source, want) => {
  expect(optionsFromLibpq(source)).toEqual(want);
});

describe('refused is', () => {
  test.each<[unknown, string]>([
    [
      'keepalives_idle=10s',
      'Expected `keepalives_idle` to be an integer from 0 to 32767, got `10s` (string)',
    ],
    ['keepalives_idle=-1', 'Expected `keepalives_idle` to be an integer from 0 to 32767, got `-1`'],
    ['keepalives_idle=40000', 'got `40000`'],
    ['keepalives=2', 'Expected `keepalives` to be an integer from 0 to 1, got `2`'],
    ['tcp_user_timeout=500', 'Expected `userTimeout` to be from 1000'],
    [
      { keepalives_count: 2.5 },
      'Expected `keepalives_count` to be an integer from 0 to 127, got `2.5` (number)',
    ],
    ['keepalives_interval=32768', 'to be an integer from 0 to 32767, got `32768`'],
    ['connect_timeout=2147484', 'to be an integer from 0 to 2147483, got `2147484`'],
    ['tcp_user_timeout=2147483648', 'to be an integer from 0 to 2147483647, got `2147483648`'],
    [5, 'Expected a connection string of libpq'],
    [5, 'got `5` (number)'],
    [null, 'got null'],
    ['db.internal', 'Expected a connection string of libpq'],
    [undefined, 'Expected a connection string of libpq'],
    [['keepalives=1'], 'Expected a connection string of libpq'],
  ])('%j', (source, message) => {
    expect(() => optionsFromLibpq(source as string)).toThrow(
      expect.objectContaining({
        code: 'ERR_KEEPALIVE_INVALID_OPTION',
        message: expect.stringContaining(message),
      }),
    );
  });

  test.each([
    ['keepalives_idle=10s', TypeError],
    ['keepalives_idle=40000', RangeError],
  ])('%s as one kind of error', (source, kind) => {
    expect(() => optionsFromLibpq(source)).toThrow(kind);
  });

  test('what does not show a password that is in it', () => {
    expect(() => optionsFromLibpq('postgres://user:secret@db?keepalives_idle=x')).toThrow(/^(?!.*secret)/);
  });
});

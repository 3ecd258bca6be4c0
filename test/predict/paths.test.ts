import { describe, expect, test } from 'vitest';
import { aPath, parsePath, pathIdleLimits } from '../../src/predict/paths.ts';

describe('the known paths', () => {
  test('are frozen, each with its source', () => {
    expect(Object.isFrozen(pathIdleLimits)).toBe(true);
    for (const path of Object.values(pathIdleLimits)) {
      expect(Object.isFrozen(path)).toBe(true);
      expect(path.limit).toBeGreaterThanOrEqual(50_000);
      expect(path.source).toMatch(/^https:\/\//);
    }
  });

  test.each([
    ['aws-nlb', 350_000, true],
    ['aws-nat-gateway', 350_000, true],
    ['aws-security-group', 350_000, true],
    ['azure-lb', 240_000, true],
    ['gcp-vpc', 600_000, true],
    ['gcp-cloud-nat', 1_200_000, true],
    ['ipvs', 900_000, true],
    ['conntrack', 432_000_000, true],
    ['rfc5382-nat', 7_440_000, true],
    ['aws-alb', 60_000, false],
    ['aws-clb', 60_000, false],
    ['heroku', 55_000, false],
    ['cloudflare', 100_000, false],
    ['nginx', 60_000, false],
    ['haproxy', 50_000, false],
    ['envoy', 3_600_000, false],
    ['istio', 3_600_000, false],
    ['rds-proxy', 1_800_000, false],
    ['azure-sql-gateway', 1_800_000, false],
  ] as const)('%s remembers %d ms, and probes count: %s', (name, limit, probesCount) => {
    expect(pathIdleLimits[name]).toMatchObject({ limit, probesCount });
  });
});

describe('a path', () => {
  test('is a known one by its name', () => {
    expect(aPath('aws-nlb', 'pathIdleLimit')).toBe(pathIdleLimits['aws-nlb']);
  });

  test.each([1_000, 350_000.5])('may be told by its limit alone, such as %d', (limit) => {
    expect(aPath(limit, 'pathIdleLimit')).toEqual({ limit, probesCount: true, title: 'the path' });
  });

  test.each([true, false])('may be told by its limit, and by whether probes count: %s', (probesCount) => {
    expect(aPath({ limit: 30_000, probesCount }, 'pathIdleLimit')).toEqual({
      limit: 30_000,
      probesCount,
      title: 'the path',
    });
  });

  test.each([
    [{ limit: 30, probesCount: false }, '`pathIdleLimit.limit` to be at least 1000 milliseconds'],
    [{ limit: 30_000 }, '`probesCount` to be true or false, got undefined'],
    [{ limit: 30_000, probesCont: false }, 'did you mean `probesCount`?'],
  ])('is not %o, as the message says', (path, message) => {
    expect(() => aPath(path, 'pathIdleLimit')).toThrow(message);
  });

  test.each([
    ['aws-nbl', RangeError, 'got `aws-nbl` (string); did you mean `aws-nlb`?'],
    ['toString', RangeError, 'got `toString` (string)'],
    [350, RangeError, 'got `350` (number); did you mean 350000?'],
    [999.9, RangeError, 'got `999.9` (number); did you mean 999900?'],
    [Infinity, RangeError, 'got `Infinity` (number)'],
    [Number.NaN, RangeError, 'got `NaN` (number)'],
    [null, TypeError, 'got null'],
    [['aws-nlb'], TypeError, 'got an array'],
  ])('is not %o', (path, type, got) => {
    const expected = `Expected \`pathIdleLimit\` to be at least 1000 milliseconds or one of ${Object.keys(pathIdleLimits).join(', ')}, `;
    expect(() => aPath(path, 'pathIdleLimit')).toThrow(type);
    expect(() => aPath(path, 'pathIdleLimit')).toThrow(expected + got);
  });
});

describe('a path', () => {
  test.each(Object.keys(pathIdleLimits))('is %s', (name) => {
    expect(parsePath('--path', name)).toBe(name);
  });

  test('is the time after which it forgets a connection', () => {
    expect(parsePath('--path', '350s')).toBe(350_000);
  });
});

test.each([
  ['aws-nlb', 'aws-nlb'],
  ['350s', 350_000],
  ['payload:60s', { limit: 60_000, probesCount: false }],
])('the text %s is a path', (text, path) => {
  expect(parsePath('path', text)).toEqual(path);
});

test.each(['', 'nlb', 'payload', 'payload:', 'payload:aws-nlb'])('the text %o is refused', (text) => {
  expect(() => parsePath('path', text)).toThrow(
    expect.objectContaining({ code: 'ERR_KEEPALIVE_INVALID_OPTION' }),
  );
});

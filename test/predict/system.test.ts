import { describe, expect, test } from 'vitest';
import { type DetectionSystem, parseSystem, rtoOfRoundTrip } from '../../src/predict/system.ts';

describe('a system', () => {
  test('has what Linux starts with, and no rate and no timeout that nobody knows', () => {
    const linux = {
      hz: undefined,
      rto: undefined,
      rtoMin: 200,
      rtoMax: 120_000,
      tcpRetries2: 15,
      tcpSynRetries: 6,
      synLinearTimeouts: undefined,
      keepaliveTime: 7_200_000,
      keepaliveIntvl: 75_000,
      keepaliveProbes: 9,
    };
    expect(parseSystem()).toStrictEqual(linux);
    expect(parseSystem({ hz: 250, rto: 204, tcpRetries2: 0 })).toStrictEqual({
      ...linux,
      hz: 250,
      rto: 204,
      tcpRetries2: 0,
    });
  });

  test.each<[keyof DetectionSystem, number, number]>([
    ['hz', 24, 1_200],
    ['rto', 1, 120_000],
    ['rtoMin', 0.001, 120_000],
    ['rtoMax', 1_000, 120_000],
    ['tcpRetries2', 0, 255],
    ['tcpSynRetries', 1, 127],
    ['synLinearTimeouts', 0, 127],
    ['keepaliveTime', 1_000, 2_147_483_000],
    ['keepaliveIntvl', 1_000, 2_147_483_000],
    ['keepaliveProbes', 0, 255],
  ])('has a %s from %d to %d', (name, min, max) => {
    for (const value of [min, max]) expect(parseSystem({ [name]: value })[name]).toBe(value);
    for (const value of [min - 1, max + 1]) expect(() => parseSystem({ [name]: value })).toThrow(RangeError);
  });

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
    expect(() => parseSystem(system as never)).toThrow(
      expect.objectContaining({
        code: 'ERR_KEEPALIVE_INVALID_OPTION',
        message: expect.stringContaining(message),
      }),
    );
  });
});

test.each([
  // While the connection is new, three round trips; later one, and the kernel's minimum.
  [50, 250],
  [1_000, 3_000],
  [100_000, 120_000],
])('a round trip of %d ms may make a retransmission timeout of %d', (roundTrip, rto) => {
  expect(rtoOfRoundTrip(roundTrip)).toBe(rto);
});

import { describe, expect, test } from 'vitest';
import type { KeepAliveInput } from '../../src/options/options.ts';
import { parseKeepAliveOptions } from '../../src/options/parse.ts';
import { type Detection, type DetectionWindow, predictDetection } from '../../src/predict/predict.ts';
import { endOf, statesOf, ticksOf, windowText } from '../../src/predict/timeline.ts';

const at = (nominal: number, latest = nominal, earliest = nominal): DetectionWindow => ({
  earliest,
  nominal,
  latest,
});

function textsOf(input: KeepAliveInput): Record<string, string> {
  const options = parseKeepAliveOptions(input);
  return Object.fromEntries(
    statesOf(options, predictDetection(options)).map(({ label, text, outage }) => [
      label,
      outage === undefined ? text : `${text}; ${outage}`,
    ]),
  );
}

const BY_DRIVER =
  "A server that accepts and then says nothing is bounded by the driver's own timeout only: " +
  'connectionTimeoutMillis (pg), connectTimeout (mysql2, ioredis), handshakeTimeout (ws)';

describe('the four states', () => {
  test('of a connection with a user timeout', () => {
    expect(textsOf('database')).toEqual({
      idle: '3 probes unanswered, dropped after 25s to 27.1s from the last packet received; survives an outage of 20s',
      'data in flight': expect.stringMatching(
        /^retransmitted, dropped after 24\.9s \(24\.5s to [\d.]+s\) from the write; survives an outage of [\d.]+s$/,
      ),
      'zero window': expect.stringMatching(/^the peer answers but does not read: dropped after .*s$/),
      connecting: expect.stringMatching(/^no answer to the SYN: given up after .*s\. /),
    });
    expect(textsOf('database').connecting).toContain(BY_DRIVER);
  });

  test('of one without', () => {
    const { connecting, ...others } = textsOf({ initialDelay: 10_000, interval: 5_000, count: 1 });
    expect(others).toEqual({
      idle: expect.stringMatching(/^1 probe unanswered, dropped after 15s to/),
      'data in flight': expect.stringMatching(
        /^retransmitted, no probes; given up by tcp_retries2 after 15m/,
      ),
      'zero window': 'the peer answers but does not read: kept for ever',
    });
    expect(connecting).toMatch(/^no answer to the SYN: not bounded by these options, given up after/);
  });

  test('of one that a report of a router ends', () => {
    const options = { initialDelay: 10_000, userTimeout: 24_500, failOnUnreachable: true };
    expect(textsOf(options)['data in flight']).toMatch(
      / from the write, or at once if a router reports the peer as unreachable \(ICMP\); survives a silent outage of /,
    );
  });

  test('of one whose retransmissions are bounded', () => {
    const { connecting } = textsOf({ maxRetransmitInterval: 5_000 });
    expect(connecting).toMatch(/^no answer to the SYN: given up after/);
  });

  test('of one without probes', () => {
    expect(textsOf({ enable: false }).idle).toBe('no probes: never noticed');
    expect(textsOf({ enable: false, userTimeout: 0 })['zero window']).toContain('kept for ever');
  });

  test('with what a living peer survives, as far as it is predicted', () => {
    const options = parseKeepAliveOptions('database');
    const detection = predictDetection(options);
    expect(statesOf(options, detection)).toMatchObject([
      { probes: detection.probes, drop: detection.idle, survives: detection.survives.idle },
      { probes: [], drop: detection.unacknowledged, survives: detection.survives.unacknowledged },
      { probes: [], drop: detection.zeroWindow },
      { probes: [], drop: detection.connecting },
    ]);
  });
});

test.each([
  { window: at(25_000, 27_000), text: '25s to 27s' },
  { window: at(25_000, 27_000, 24_000), text: '25s (24s to 27s)' },
  { window: at(Infinity), text: 'never' },
])('a window as text: $text', ({ window, text }) => {
  expect(windowText(window)).toBe(text);
});

describe('the end of a time line', () => {
  const detection = (idle: number, unacknowledged: number, zeroWindow: number) =>
    ({
      idle: at(0, idle),
      unacknowledged: at(0, unacknowledged),
      zeroWindow: at(0, zeroWindow),
    }) as unknown as Detection;

  test.each([
    { which: 'the drop of an idle connection', end: 10_000, of: detection(10_000, 9_000, Infinity) },
    {
      which: 'that of another state, if it comes a little later',
      end: 20_000,
      of: detection(10_000, 9_000, 20_000),
    },
    {
      which: 'the drop of an idle connection, if another takes much longer',
      end: 10_000,
      of: detection(10_000, 20_001, 9_000),
    },
    {
      which: 'the last drop, if an idle one is never noticed',
      end: 90_000,
      of: detection(Infinity, 90_000, 80_000),
    },
  ])('is $which', ({ end, of }) => {
    expect(endOf(of)).toBe(end);
  });
});

describe('the ticks of a ruler', () => {
  const day = 86_400_000;

  test.each([
    { end: 7_000, times: [0, 1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 7_000] },
    { end: 7_001, times: [0, 2_000, 4_000, 6_000] },
    { end: 7 * 43_200_000, times: [0, 1, 2, 3, 4, 5, 6, 7].map((index) => index * 43_200_000) },
    // Longer ones have whole days.
    { end: 7 * 43_200_000 + 1, times: [0, 1, 2, 3].map((index) => index * day) },
    { end: 7 * day + 1, times: [0, 2, 4, 6].map((index) => index * day) },
  ])('over $end ms', ({ end, times }) => {
    expect(ticksOf(end).map(({ time }) => time)).toEqual(times);
  });

  // Each step is taken as far as it gives seven.
  test.each([1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 43_200])(
    'are %d s apart if seven of them fill the ruler',
    (seconds) => {
      expect(ticksOf(seconds * 7_000).map(({ time }) => time)[1]).toBe(seconds * 1_000);
    },
  );

  test('have the names of their times', () => {
    expect(ticksOf(130_000).map(({ label }) => label)).toEqual(['0', '30s', '60s', '90s', '2m']);
  });
});

import { describe, expect, test } from 'vitest';
import { isOutstanding, isOverdue, limitOf, type Signs } from '../../../src/sockets/overdue.ts';

const heardLong = { lastAckReceived: 60_000, lastDataReceived: 90_000 };
const quiet: Signs = { unacked: 0, probes: 0, backoff: 0, rto: 204, ...heardLong };
const inFlight: Signs = { ...quiet, unacked: 3, notSentBytes: 0, sendWindow: 65_536 };
const behindClosedWindow: Signs = { ...quiet, notSentBytes: 5_000, sendWindow: 0 };

test.each([
  { what: 'nothing', signs: quiet, is: false },
  { what: 'nothing, on a new kernel', signs: { ...quiet, notSentBytes: 0, sendWindow: 0 }, is: false },
  { what: 'data in flight', signs: inFlight, is: true },
  { what: 'data behind a closed window', signs: behindClosedWindow, is: true },
])('$what is outstanding: $is', ({ signs, is }) => {
  expect(isOutstanding(signs)).toBe(is);
});

describe('a peer is overdue', () => {
  test.each([
    { what: 'once the limit has passed', signs: inFlight, since: 0, now: 5_000, is: true },
    { what: 'not before', signs: inFlight, since: 0, now: 4_999, is: false },
    // 100 ms after a write into a long silence, of a peer that is alive.
    { what: 'not by a silence before the write', signs: inFlight, since: 59_900, now: 60_000, is: false },
    {
      what: 'not if it has acknowledged',
      signs: { ...inFlight, lastAckReceived: 4_000 },
      now: 60_000,
      is: false,
    },
    { what: 'not if it has sent', signs: { ...inFlight, lastDataReceived: 4_000 }, now: 60_000, is: false },
    {
      what: 'if it has sent as long ago as that',
      signs: { ...inFlight, lastDataReceived: 5_000 },
      now: 60_000,
      is: true,
    },
    { what: 'not by a limit that nobody has said', signs: inFlight, now: 60_000, limit: NaN, is: false },
    {
      what: 'on a kernel that does not tell the window',
      signs: { ...quiet, unacked: 1 },
      now: 5_000,
      is: true,
    },
  ])('$what', ({ signs, since = 0, now, limit = 5_000, is }) => {
    expect(isOverdue(signs, since, now, limit)).toBe(is);
  });

  // The next window probe goes out after 204 ms * 2^5, 6.5 s.
  test.each([
    { what: 'not between two probes that are answered', probes: 0, now: 60_000, is: false },
    { what: 'not by one probe that was lost', probes: 1, now: 60_000, is: false },
    { what: 'not before the pause has passed too', probes: 2, now: 11_500, is: false },
    { what: 'by two, once the pause and the limit have passed', probes: 2, now: 11_600, is: true },
  ])('behind a closed window $what', ({ probes, now, is }) => {
    expect(isOverdue({ ...behindClosedWindow, probes, backoff: 5 }, 0, now, 5_000)).toBe(is);
  });

  test('behind a closed window after two minutes and the limit, however long the pauses would be', () => {
    const signs = {
      ...behindClosedWindow,
      probes: 9,
      backoff: 12,
      lastAckReceived: 1e9,
      lastDataReceived: 1e9,
    };
    expect(isOverdue(signs, 0, 124_999, 5_000)).toBe(false);
    expect(isOverdue(signs, 0, 125_000, 5_000)).toBe(true);
  });

  test('with data in flight before a window that has shrunk to nothing, beyond the pause', () => {
    const signs = { ...inFlight, sendWindow: 0, rto: 1_000, backoff: 2 };
    expect(isOverdue(signs, 0, 8_999, 5_000)).toBe(false);
    expect(isOverdue(signs, 0, 9_000, 5_000)).toBe(true);
  });

  test('with pauses of 200 ms at least', () => {
    const signs = { ...behindClosedWindow, probes: 2, rto: 1 };
    expect(isOverdue(signs, 0, 5_199, 5_000)).toBe(false);
    expect(isOverdue(signs, 0, 5_200, 5_000)).toBe(true);
  });
});

test.each([
  { settings: { userTimeout: 9_000, initialDelay: 1_000, interval: 1_000, count: 2 }, limit: 9_000 },
  { settings: { userTimeout: 9_000 }, silentAfter: 4_000, limit: 9_000 },
  { settings: { userTimeout: 0, initialDelay: 1_000, interval: 2_000, count: 2 }, limit: 5_000 },
  { settings: { initialDelay: 1_000, interval: 2_000, count: 2 }, silentAfter: 4_000, limit: 4_000 },
  { settings: { enable: true }, silentAfter: 4_000, limit: 4_000 },
  { settings: { initialDelay: 1_000, count: 2 }, limit: NaN },
  { settings: { userTimeout: 0 }, limit: NaN },
])('$settings with silentAfter $silentAfter allow $limit', ({ settings, silentAfter, limit }) => {
  expect(limitOf(settings, silentAfter)).toBe(limit);
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Looks,
  limitOf,
  noLooks,
  noteReceived,
  noteSigns,
  noteWritten,
  type Signs,
} from '../../src/sockets/overdue.ts';

const heardLong = { lastAckReceived: 60_000, lastDataReceived: 90_000 };
const quiet: Signs = { unacked: 0, probes: 0, backoff: 0, rto: 204, ...heardLong };
const inFlight: Signs = { ...quiet, unacked: 3, notSentBytes: 0, sendWindow: 65_536 };
const behindClosedWindow: Signs = { ...quiet, notSentBytes: 5_000, sendWindow: 0 };

/** Whether a peer is overdue at a look, if all looks since `since` have seen something outstanding. */
function isOverdue(signs: Signs, since: number, now: number, limit: number): boolean {
  return noteSigns({ ...noLooks(), since, last: now }, signs, now, limit);
}

test.each([
  { what: 'nothing', signs: quiet, is: false },
  { what: 'nothing, on a new kernel', signs: { ...quiet, notSentBytes: 0, sendWindow: 0 }, is: false },
  { what: 'data in flight', signs: inFlight, is: true },
  { what: 'data behind a closed window', signs: behindClosedWindow, is: true },
])('$what is outstanding: $is', ({ signs, is }) => {
  const looks = noLooks();
  noteSigns(looks, signs, 1_000, 5_000);
  expect(looks).toMatchObject({ isClear: !is, since: is ? 1_000 : undefined });
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

  test('not by what waits to be sent while the window is open', () => {
    expect(isOverdue({ ...quiet, notSentBytes: 5_000, sendWindow: 65_536 }, 0, 60_000, 5_000)).toBe(false);
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

describe('a connection that is looked at', () => {
  const limit = 5_000;

  test('has nothing clear before the first look: whoever had its descriptor before may have written to it', () => {
    expect(noLooks().isClear).toBe(false);
  });

  test('is overdue once the limit has passed after the first look, to the millisecond', () => {
    const looks = noLooks();
    expect(noteSigns(looks, inFlight, 1_000, limit)).toBe(false);
    expect(noteSigns(looks, inFlight, 5_999, limit)).toBe(false);
    expect(noteSigns(looks, inFlight, 6_000, limit)).toBe(true);
  });

  test.each([
    { what: 'something was received', end: (looks: Looks) => noteReceived(looks) },
    { what: 'all was acknowledged', end: (looks: Looks) => void noteSigns(looks, quiet, 3_000, limit) },
  ])('begins anew when $what, however much was written before', ({ end }) => {
    const looks = noLooks();
    for (const now of [0, 1_000, 2_000]) noteWritten(looks, now, limit);
    end(looks);
    expect(noteSigns(looks, inFlight, 100_000, limit)).toBe(false);
    expect(noteSigns(looks, inFlight, 104_999, limit)).toBe(false);
    expect(noteSigns(looks, inFlight, 105_000, limit)).toBe(true);
  });

  test('is overdue later by the longest time between two looks, if something was written at more than one', () => {
    const looks = noLooks();
    for (const now of [0, 1_000, 3_500, 4_000]) noteWritten(looks, now, limit);
    expect(noteSigns(looks, inFlight, 6_000, limit)).toBe(false);
    expect(noteSigns(looks, inFlight, 7_499, limit)).toBe(false);
    expect(noteSigns(looks, inFlight, 7_500, limit)).toBe(true);
  });

  test('may be overdue, and has to be read, from the limit on', () => {
    const looks = noLooks();
    expect(noteWritten(looks, 0, limit)).toBe(true);
    expect(noteWritten(looks, 4_999, limit)).toBe(true);
    expect(noteWritten(looks, 5_000, limit)).toBe(false);
  });
});

describe('a program that keeps writing', () => {
  const limit = 24_500;

  test('costs no system call until something may be overdue', () => {
    const looks = noLooks();
    let reads = 0;
    for (let now = 1_000; now <= 1_000_000; now += 1_000) {
      if (noteWritten(looks, now, limit)) continue;
      reads += 1;
      const heard = { lastAckReceived: 900, lastDataReceived: 90_000 };
      expect(noteSigns(looks, { ...inFlight, ...heard }, now, limit)).toBe(false);
    }
    expect(reads).toBeLessThanOrEqual(1_000 / 24);
    expect(reads).toBeGreaterThan(1_000 / 26);
  });

  test('and has no limit costs none', () => {
    const looks = noLooks();
    for (let now = 1_000; now < 1e6; now += 1_000) expect(noteWritten(looks, now, NaN)).toBe(true);
  });

  // Each look of a simulated connection: what was written and heard since the one before, in milliseconds.
  const history = fc.record({
    limit: fc.integer({ min: 1_000, max: 20_000 }),
    roundTrip: fc.integer({ min: 1, max: 1_500 }),
    vanishesAt: fc.integer({ min: 0, max: 60_000 }),
    looks: fc.array(
      fc.record({
        after: fc.oneof(fc.integer({ min: 900, max: 1_200 }), fc.integer({ min: 1, max: 6_000 })),
        writes: fc.array(fc.integer({ min: 0, max: 999 }), { maxLength: 3 }),
        isRead: fc.boolean(),
      }),
      { minLength: 40, maxLength: 120 },
    ),
  });

  test('to a peer is ended once it is silent for too long, and never sooner', () => {
    let ended = 0;
    fc.assert(
      fc.property(history, ({ limit, roundTrip, vanishesAt, looks }) => {
        const seen = noLooks();
        const written: number[] = [];
        let [now, longest] = [0, 0];
        for (const { after, writes, isRead } of looks) {
          const before = now;
          now += after;
          longest = Math.max(longest, after);
          const fresh = writes
            .map((share) => before + Math.ceil(((share + 1) * after) / 1_000))
            .sort((a, b) => a - b);
          written.push(...fresh);
          // What the peer acknowledged before it vanished has arrived.
          const isAcknowledged = (time: number) => time + roundTrip <= now && time + roundTrip <= vanishesAt;
          const heard = Math.max(0, ...written.filter(isAcknowledged).map((time) => time + roundTrip));
          const oldest = written.find((time) => !isAcknowledged(time));
          const silence = oldest === undefined ? 0 : now - Math.max(oldest, heard);
          if (isRead && heard > before) {
            noteReceived(seen);
            continue;
          }
          const canWait = fresh.length > 0 ? noteWritten(seen, now, limit) : seen.isClear;
          const unacked = written.filter((time) => !isAcknowledged(time)).length;
          const signs = { ...inFlight, unacked, lastAckReceived: now - heard, lastDataReceived: 1e6 };
          if (!canWait && noteSigns(seen, signs, now, limit)) {
            expect(silence).toBeGreaterThanOrEqual(limit);
            ended += 1;
            return;
          }
          expect(silence).toBeLessThan(limit + 3 * longest);
        }
      }),
      { numRuns: 2_000 },
    );
    expect(ended).toBeGreaterThan(100);
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

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { predictDetection } from '../../src/predict/predict.ts';
import { timerWheel } from '../helpers/timer-wheel.ts';

const never = { earliest: Infinity, nominal: Infinity, latest: Infinity };

describe('a retransmission timer', () => {
  test('data in flight is bounded by the user timeout, else by tcp_retries2', () => {
    const bounded = predictDetection({ userTimeout: 5_000 }, { hz: 250 }).unacknowledged;
    // One RTO, and up to one more for a tail loss probe. Measured: 5.25 s without it, 5.44 s with it.
    expect(bounded).toEqual({ earliest: 5_200, nominal: 5_408, latest: 5_684 });
    // The least RTO is 200 ms and a tick, unless the connection's own is known.
    expect(predictDetection({ userTimeout: 5_000 }, { hz: 100 }).unacknowledged.nominal).toBe(5_420);
    const known = predictDetection({ userTimeout: 5_000 }, { hz: 250, rto: 1_000 }).unacknowledged;
    expect(known).toMatchObject({ earliest: 6_000, nominal: 7_000 });
    const { unacknowledged } = predictDetection({ enable: true }, { hz: 250 });
    expect(unacknowledged.earliest).toBe(924_800);
    // Measured: 938 s.
    expect(unacknowledged.latest).toBeGreaterThan(938_000);
    expect(unacknowledged.latest).toBeLessThan(950_000);
  });

  test.each([
    // Measured on Linux 6.18, HZ=250, RTO 204, in a network namespace with these settings.
    { tcpRetries2: 0, diedAt: 854, nominal: 816 },
    { tcpRetries2: 1, diedAt: 1_683, nominal: 1_632 },
    { tcpRetries2: 2, diedAt: 3_349, nominal: 3_264 },
    { tcpRetries2: 3, diedAt: 6_814, nominal: 6_528 },
    // Exact timers wait twice 204 ms, then 408, 816 and so on until the limit has passed.
    // 6 120 ms have passed at one expiry, and 6 200 are the limit: late timers reach it a step early.
    { tcpRetries2: 4, diedAt: 6_755, nominal: 13_056 },
    { tcpRetries2: 5, diedAt: 13_395, nominal: 13_056 },
  ])(
    'data in flight with tcp_retries2 = $tcpRetries2 was given up after $diedAt',
    ({ tcpRetries2, diedAt, nominal }) => {
      const { unacknowledged } = predictDetection({}, { hz: 250, rto: 204, tcpRetries2 });
      expect(unacknowledged.nominal).toBe(nominal);
      expect(diedAt).toBeGreaterThanOrEqual(unacknowledged.earliest);
      expect(diedAt).toBeLessThanOrEqual(unacknowledged.latest);
    },
  );

  test('data in flight is given up at the first expiry at which the limit has passed, to the millisecond', () => {
    // Twice 100 ms, then 200 and 400, which are the limit of one retry.
    const limited = predictDetection({}, { hz: 250, rto: 100, tcpRetries2: 1 });
    expect(limited.unacknowledged.nominal).toBe(800);
    // 204 ms are 51 ticks, twice, with 2 more each, and 408 are 102, which are counted in 8.
    expect(predictDetection({}, { hz: 250, rto: 204, tcpRetries2: 0 }).unacknowledged.latest).toBe(868);
    const longest = predictDetection({ userTimeout: 240_000 }, { hz: 250, rto: 60_000 });
    expect(longest.unacknowledged.nominal).toBe(360_000);
  });

  test.each([
    { tcpSynRetries: 1, diedAt: 3_070 },
    { tcpSynRetries: 2, diedAt: 7_150 },
    { tcpSynRetries: 3, diedAt: 19_404 },
    { tcpSynRetries: 4, diedAt: 35_515 },
    { tcpSynRetries: 6, diedAt: 134_000 },
  ])(
    'a SYN with tcp_syn_retries = $tcpSynRetries was given up after $diedAt',
    ({ tcpSynRetries, diedAt }) => {
      const { connecting } = predictDetection({}, { hz: 250, tcpSynRetries });
      expect(diedAt).toBeGreaterThanOrEqual(connecting.earliest);
      expect(diedAt).toBeLessThanOrEqual(connecting.latest);
    },
  );

  test('a zero window lasts for ever without a user timeout', () => {
    expect(predictDetection('database').zeroWindow.nominal).toBe(24_704);
    expect(predictDetection({ initialDelay: 1_000 }).zeroWindow).toEqual(never);
  });

  test('a connection attempt ends after a second at the soonest, and after its retries at the latest', () => {
    expect(predictDetection({ userTimeout: 1_000 }).connecting.earliest).toBe(1_000);
    expect(predictDetection({ userTimeout: 5_000 }).connecting.nominal).toBe(5_000);
    expect(predictDetection({ userTimeout: 500_000 }).connecting).toMatchObject({
      earliest: 127_000,
      nominal: 131_000,
    });
  });

  test('a connection attempt that a second’s user timeout ends expires twice, the second time at once', () => {
    // A second is 250 ticks, which are counted in 8. And a tick for it, and two for the other.
    const { connecting } = predictDetection({ userTimeout: 1_000 }, { hz: 250 });
    expect(connecting).toEqual({ earliest: 1_000, nominal: 1_000, latest: 1_044 });
  });

  test('a connection attempt of more retries than double ends with the last, whatever the user timeout', () => {
    const { connecting } = predictDetection({ userTimeout: 2_000_000_000 }, { hz: 250, tcpSynRetries: 10 });
    // Five waits of a second, then 2, 4, 8, 16, 32 and 64 s, and four of two minutes.
    expect(connecting).toEqual({ earliest: 607_000, nominal: 611_000, latest: 624_308 });
  });

  test('a wait is no longer than maxRetransmitInterval', () => {
    const options = { userTimeout: 60_000, maxRetransmitInterval: 7_000 };
    const { unacknowledged, connecting } = predictDetection(options, { hz: 250, rto: 204, rtoMax: 120_000 });
    // 204 ms twice, then 408, 816, 1 632, 3 264 and 6 528, and waits of 7 s until a minute has passed.
    expect(unacknowledged).toMatchObject({ earliest: 60_204, nominal: 60_408 });
    // The last wait is 7 s at most: 1 750 ticks, counted in 64.
    expect(unacknowledged.latest - unacknowledged.nominal).toBeLessThan(1_500);
    // Five waits of a second, because such a kernel is not older than 6.5, then 2 and 4 s, and four of 7 s.
    expect(connecting).toEqual({ earliest: 39_000, nominal: 39_000, latest: 40_516 });
  });

  test('a user timeout of weeks is counted without weeks of steps', () => {
    const { unacknowledged } = predictDetection({ userTimeout: 2_147_483_647 }, { hz: 250 });
    expect(unacknowledged.nominal).toBe(2_147_484_055);
    // The last wait is two minutes at most: 30 000 ticks, counted in 512.
    expect(unacknowledged.latest - unacknowledged.nominal).toBeLessThan(2_200);
  });

  test('data in flight on a simulated kernel is given up inside the window', () => {
    const user = fc.integer({ min: 1_000, max: 3_000_000 });
    // The kernel keeps it in ticks.
    const rto = fc.integer({ min: 51, max: 750 }).map((ticks) => ticks * 4);
    fc.assert(
      fc.property(user, rto, fc.infiniteStream(fc.nat()), (userTimeout, given, phases) => {
        const { zeroWindow } = predictDetection({ userTimeout }, { hz: 250, rto: given });
        for (let run = 0; run < 20; run++) {
          const died = simulateProbes(userTimeout, given, 250, () => phases.next().value as number);
          expect(died).toBeGreaterThanOrEqual(zeroWindow.earliest);
          expect(died).toBeLessThanOrEqual(zeroWindow.latest);
        }
      }),
      { numRuns: 200 },
    );
  });
});

/** When a simulated kernel drops a connection whose window is full, step by step as `net/ipv4/tcp_timer.c` does. */
function simulateProbes(userTimeout: number, rto: number, hz: number, random: () => number): number {
  const ticks = (ms: number) => Math.ceil((ms * hz) / 1_000);
  const written = random() % 10_000_000;
  const fraction = (random() % 1_000) / 1_000;
  const firstProbe = timerWheel(written, ticks(rto));
  let now = firstProbe;
  for (let backoff = 1; ; backoff++) {
    const wait = Math.min(ticks(rto) * 2 ** backoff, 120 * hz);
    const left = Math.max(ticks(userTimeout) - (now - firstProbe), 2);
    now = timerWheel(now, Math.min(wait, left));
    if (now - firstProbe >= ticks(userTimeout)) return ((now - written - fraction) * 1_000) / hz;
  }
}

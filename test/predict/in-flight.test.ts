import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { presets } from '../../src/options/presets.ts';
import { predictDetection } from '../../src/predict/predict.ts';
import { timerWheel } from '../helpers/timer-wheel.ts';

const never = { earliest: Infinity, nominal: Infinity, latest: Infinity };

describe('a retransmission timer', () => {
  test('data in flight is bounded by the user timeout, else by tcp_retries2', () => {
    const bounded = predictDetection({ userTimeout: 5_000 }, { hz: 250 }).unacknowledged;
    // One RTO, and up to one more for a tail loss probe. Measured: 5.25 s without it, 5.44 s with it.
    // If packets cannot leave this machine, the clock starts with the write.
    expect(bounded).toMatchObject({ earliest: 5_000, nominal: 5_408, latest: 5_684 });
    // The least RTO is 200 ms and a tick, unless the connection's own is known.
    expect(predictDetection({ userTimeout: 5_000 }, { hz: 100 }).unacknowledged.nominal).toBe(5_420);
    const known = predictDetection({ userTimeout: 5_000 }, { hz: 250, rto: 1_000 }).unacknowledged;
    expect(known).toMatchObject({ earliest: 5_000, nominal: 7_000 });
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

  test.each([
    // Measured on Linux 6.18, HZ=250, RTO 204, with TCP_RTO_MAX_MS alone.
    { maxRetransmitInterval: 1_000, diedAt: 15_000 },
    { maxRetransmitInterval: 2_000, diedAt: 27_500 },
  ])(
    'data in flight with $maxRetransmitInterval alone was given up after $diedAt',
    ({ diedAt, ...options }) => {
      const { unacknowledged } = predictDetection(options, { hz: 250, rto: 204 });
      expect(diedAt).toBeGreaterThanOrEqual(unacknowledged.earliest);
      expect(diedAt).toBeLessThanOrEqual(unacknowledged.latest);
    },
  );

  test.each([
    { options: { userTimeout: 24_500 }, diedAt: 24_600 },
    { options: { userTimeout: 24_500, maxRetransmitInterval: 3_062 }, diedAt: 22_600 },
    { options: { userTimeout: 24_500, maxRetransmitInterval: 2_000 }, diedAt: 17_200 },
    { options: { maxRetransmitInterval: 3_062 }, diedAt: 19_500 },
    { options: { maxRetransmitInterval: 2_000 }, diedAt: 13_200 },
    { options: { maxRetransmitInterval: 1_000 }, diedAt: 7_200 },
  ])('a connection attempt with $options was given up after $diedAt', ({ options, diedAt }) => {
    const { connecting } = predictDetection(options, { hz: 250 });
    expect(diedAt).toBeGreaterThanOrEqual(connecting.earliest);
    expect(diedAt).toBeLessThanOrEqual(connecting.latest);
  });

  test('the longest interval of the system makes 15 minutes about one, unless the connection has its own', () => {
    const system = { hz: 250, rtoMax: 5_000 };
    // Measured: 63 to 67 s, and 32 s.
    expect(predictDetection({}, system).unacknowledged).toMatchObject({ earliest: 61_400, latest: 66_884 });
    const { earliest, nominal, latest } = predictDetection({}, system).connecting;
    expect({ earliest, nominal }).toEqual({ earliest: 27_000, nominal: 31_000 });
    expect(latest).toBeGreaterThan(32_000);
    const own = { maxRetransmitInterval: 2_000 };
    expect(predictDetection(own, system)).toEqual(predictDetection(own, { hz: 250 }));
  });

  test('SYNs are repeated without backing off as often as the system says', () => {
    const nominal = (synLinearTimeouts: number) =>
      predictDetection({}, { hz: 250, tcpSynRetries: 2, synLinearTimeouts }).connecting.nominal;
    // The limit is 7 s: SYNs go out after 1, 3 and 7 s, or after 1, 2, 3, 4, 5 and 7 s, or each second.
    expect([0, 4, 9].map(nominal)).toEqual([7_000, 7_000, 7_000]);
    expect(predictDetection({}, { hz: 250, synLinearTimeouts: 0 }).connecting.nominal).toBe(127_000);
    expect(predictDetection({}, { hz: 250, synLinearTimeouts: 4 }).connecting.nominal).toBe(131_000);
  });

  test('a least retransmission timeout of the system is that of a near peer, but not of window probes', () => {
    const { unacknowledged, zeroWindow } = predictDetection({ userTimeout: 5_000 }, { hz: 250, rtoMin: 20 });
    expect(unacknowledged.nominal).toBe(5_048);
    expect(zeroWindow.nominal).toBe(5_200);
    const known = predictDetection({ userTimeout: 5_000 }, { hz: 250, rto: 24 });
    expect(known.zeroWindow).toEqual(
      predictDetection({ userTimeout: 5_000 }, { hz: 250, rto: 200 }).zeroWindow,
    );
  });

  test.each([
    { userTimeout: 13_500, diedAt: 20_105 },
    { userTimeout: 42_500, diedAt: 53_052 },
  ])('ICMP overran a user timeout of $userTimeout: $diedAt', ({ userTimeout, diedAt }) => {
    const { unacknowledged } = predictDetection({ userTimeout }, { hz: 250, rto: 204 });
    expect(diedAt).toBeGreaterThan(unacknowledged.latest);
    expect(diedAt).toBeLessThanOrEqual(unacknowledged.onIcmp.latest);
    expect(unacknowledged.onIcmp.latest).toBeLessThan(1.6 * userTimeout);
    const capped = predictDetection({ userTimeout, maxRetransmitInterval: 'auto' }, { hz: 250, rto: 204 });
    expect(capped.unacknowledged.onIcmp.latest).toBeLessThan(1.18 * userTimeout);
  });

  test.each([
    // The last retransmission with exact timers, and no tail loss probe. Measured: 6.8 and 13.5 s.
    { options: { userTimeout: 10_500 }, survives: 6_324 },
    { options: { userTimeout: 24_500 }, survives: 12_852 },
    // Measured: 9.7 and 21.8 s.
    { options: { userTimeout: 10_500, maxRetransmitInterval: 1_312 }, survives: 9_356 },
    { options: { userTimeout: 24_500, maxRetransmitInterval: 3_062 }, survives: 21_432 },
    { options: { maxRetransmitInterval: 1_000 }, survives: 13_568 },
  ])('data in flight survives an outage of $survives with $options', ({ options, survives }) => {
    expect(predictDetection(options, { hz: 250, rto: 204 }).survives.unacknowledged).toBe(survives);
  });

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
    expect(unacknowledged).toMatchObject({ earliest: 60_000, nominal: 60_408 });
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

  test.each([
    // With 250 ticks a second, timers of 400, 800 and 1 600 ms are late by up to 36 ms: the third retry comes after 2 800 to
    // 2 908 ms. A limit of 2 908 may have passed by then, and the retry before it comes 1 636 ms sooner at the latest.
    { userTimeout: 2_909, hz: 250, lastRetry: 2_800 },
    { userTimeout: 2_908, hz: 250, lastRetry: 2_908 - 1_636 },
    // With 100 they are late by 20, 90 and 90 ms, with 1 000 by 9, 65 and 65.
    { userTimeout: 2_908, hz: 100, lastRetry: 2_908 - 1_690 },
    { userTimeout: 2_908, hz: 1_000, lastRetry: 2_908 - 1_665 },
    // The shortest of all rates counts.
    { userTimeout: 2_908, hz: undefined, lastRetry: 2_908 - 1_690 },
    // With 300, a wait of 3 200 ms is late by 216 and two thirds, and no outage is said to be survived that is not.
    { userTimeout: 6_300, hz: 300, lastRetry: 6_300 - 3_417 },
  ])(
    'an outage of $userTimeout ms is survived until $lastRetry after the first retry, $hz ticks a second',
    ({ userTimeout, hz, lastRetry }) => {
      const { survives } = predictDetection({ userTimeout }, { hz, rto: 200 });
      expect(survives.unacknowledged).toBe(200 + lastRetry);
    },
  );

  test('a report of ICMP lets the last wait run to its end: half of the user timeout, and an RTO', () => {
    const { onIcmp } = predictDetection({ userTimeout: 13_500 }, { hz: 250, rto: 2_000 }).unacknowledged;
    // Two RTOs that are 36 ms late, the user timeout, and a wait of 8 750 ms that is 260 ms late.
    expect(onIcmp.latest).toBe(2 * 2_036 + 13_500 + 8_750 + 260);
  });

  test('a report of ICMP ends data in flight at once with failOnUnreachable, and changes nothing else', () => {
    const options = { ...presets.database, failOnUnreachable: true };
    const { unacknowledged, ...others } = predictDetection(options, { rto: 204 });
    const { onIcmp, ...silent } = unacknowledged;
    expect(onIcmp).toEqual({ earliest: 0, nominal: 204, latest: silent.latest });
    const without = predictDetection('database', { rto: 204 });
    expect({ ...others, unacknowledged: { ...silent, onIcmp: without.unacknowledged.onIcmp } }).toEqual(
      without,
    );
  });

  test('a full window is given up no sooner than a user timeout after the first window probe', () => {
    expect(predictDetection({ userTimeout: 5_000 }, { hz: 250, rto: 300 }).zeroWindow.earliest).toBe(5_300);
  });

  test('data in flight on a simulated kernel is given up inside the window, after the last retransmission', () => {
    const user = fc.oneof(fc.constant(0), fc.integer({ min: 1_000, max: 3_000_000 }));
    const rto = fc.integer({ min: 50, max: 750 }).map((ticks) => ticks * 4);
    const max = fc.oneof(
      fc.constant(undefined),
      fc.integer({ min: 250, max: 30_000 }).map((ticks) => ticks * 4),
    );
    fc.assert(
      fc.property(user, rto, max, fc.infiniteStream(fc.nat()), (userTimeout, given, rtoMax, phases) => {
        const options = { userTimeout, maxRetransmitInterval: rtoMax };
        const { unacknowledged, survives } = predictDetection(options, { hz: 250, rto: given });
        for (let run = 0; run < 20; run++) {
          const random = () => phases.next().value as number;
          const { last, died } = simulateRetries(userTimeout, given, rtoMax ?? 120_000, 250, random);
          expect(died).toBeGreaterThanOrEqual(unacknowledged.earliest);
          expect(died).toBeLessThanOrEqual(unacknowledged.latest);
          // The kernel counts whole ticks.
          expect(last).toBeGreaterThanOrEqual(survives.unacknowledged - 4);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('a full window on a simulated kernel is given up inside its window', () => {
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

/** When a simulated kernel retransmits data for the last time and drops it, as `net/ipv4/tcp_timer.c` does. */
function simulateRetries(
  userTimeout: number,
  givenRto: number,
  rtoMax: number,
  hz: number,
  random: () => number,
): { last: number; died: number } {
  const ticks = (ms: number) => Math.ceil((ms * hz) / 1_000);
  const rto = Math.min(givenRto, rtoMax);
  const written = random() % 10_000_000;
  const fraction = (random() % 1_000) / 1_000;
  const elapsed = (now: number) => ((now - written - fraction) * 1_000) / hz;
  // A tail loss probe may come first, after which the retransmission timeout is waited for.
  const probe = random() % 2 === 0 ? timerWheel(written, ticks(Math.min(rto, 200))) : written;
  const first = timerWheel(probe, ticks(rto));
  const doublings = Math.min(15, Math.floor(Math.log2(rtoMax / 200)));
  const limit = userTimeout || (2 ** (doublings + 1) - 1) * 200 + (15 - doublings) * rtoMax;
  let now = first;
  for (let wait = Math.min(2 * rto, rtoMax); ; wait = Math.min(2 * wait, rtoMax)) {
    const last = now;
    const left = Math.max(ticks(limit) - (now - first), 2);
    now = timerWheel(now, userTimeout === 0 ? ticks(wait) : Math.min(ticks(wait), left));
    if (now - first >= ticks(limit)) return { last: elapsed(last), died: elapsed(now) };
  }
}

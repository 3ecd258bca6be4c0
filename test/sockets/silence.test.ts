import { setTimeout as sleep } from 'node:timers/promises';
import {
  type AppliedKeepAlive,
  getKeepAlive,
  getTcpInfo,
  keepAlive,
  predictDetection,
  setKeepAlive,
} from 'tcp-keepalive';
import { vanish } from 'tcp-keepalive/testing';
import { afterAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { loadLibc } from '../../native-bindings/libc.ts';
import type { KeepAliveSettings } from '../../src/options/options.ts';
import { type MarkedHandle, PENDING } from '../../src/sockets/hold-record.ts';
import { type ConnectedPair, connectedPair } from '../helpers/connected-pair.ts';
import { expectWithin } from '../helpers/detection.ts';
import { packageOn } from '../helpers/package-on.ts';
import { asRead, hasRetransmitInterval } from '../helpers/retransmit-interval.ts';

// They wait for the kernel, all of them at once.
vi.setConfig({ maxConcurrency: 16 });

/** What a connection has that nobody has set. */
const defaults = { enable: false, initialDelay: 7_200_000, interval: 75_000, count: 9, userTimeout: 0 };

/**
 * The file with a clock that stands until it is advanced, and a connection that was silent for exactly so many
 * milliseconds, which a real one never is.
 */
async function silentFor(silence: number, before: KeepAliveSettings = defaults) {
  vi.useFakeTimers();
  const peer = { lastHeard: performance.now() - silence };
  const readTcpInfo = () => {
    const lastAckReceived = performance.now() - peer.lastHeard;
    return { lastAckReceived, lastDataReceived: lastAckReceived + 100 };
  };
  const written: unknown[] = [];
  const writeSettings = (...args: unknown[]) => void written.push(args);
  vi.doMock('../../src/kernel/tcp-info.ts', () => ({ hasTcpInfo: true, readTcpInfo }));
  vi.doMock('../../src/kernel/settings.ts', () => ({ readSettings: () => before, writeSettings }));
  vi.resetModules();
  onTestFinished(() => {
    vi.doUnmock('../../src/kernel/tcp-info.ts');
    vi.doUnmock('../../src/kernel/settings.ts');
    vi.resetModules();
    vi.useRealTimers();
  });
  const file = await import('../../src/sockets/silence.ts');
  const handle: MarkedHandle & { fd: number } = { fd: 7 };
  const write = (settings: KeepAliveSettings) =>
    file.writeToSilent(handle, handle.fd, settings, (due) => {
      written.push(due);
      return 'what the write returns';
    });
  return { ...file, peer, handle, written, write };
}

describe('what is written to a connection that was silent', () => {
  const options = { enable: true, initialDelay: 1_000, interval: 2_000, count: 3, userTimeout: 5_500 };
  const { userTimeout, ...timers } = options;
  const on = { ...defaults, enable: true };

  // What is written when is tested in test/kernel/silence.test.ts.
  test.each([
    { why: 'not for a second', silence: 999, writes: [options] },
    { why: 'for longer', silence: 1_001, writes: [{ ...options, userTimeout: 0 }], pending: { userTimeout } },
  ])('$why', async ({ silence, writes, pending }) => {
    const { write, written, handle } = await silentFor(silence, on);
    expect(write(options)).toBe('what the write returns');
    expect(written).toEqual(writes);
    expect(handle[PENDING]).toEqual(pending);
  });

  const late = [7, { userTimeout }, false];

  test.each([
    { heard: 'at once', after: 0, writtenAt: 1_000 },
    { heard: 'a little later', after: 2_500, writtenAt: 3_000 },
    { heard: 'never', after: Number.POSITIVE_INFINITY, writtenAt: 6_000 },
  ])('the user timeout once the peer is heard: $heard', async ({ after, writtenAt }) => {
    const { write, written, handle, peer } = await silentFor(5_000, on);
    write(options);
    if (after === 0) peer.lastHeard = performance.now();
    else if (after < writtenAt)
      setTimeout(() => Object.assign(peer, { lastHeard: performance.now() }), after);
    vi.advanceTimersByTime(writtenAt - 1);
    expect(written).toHaveLength(1);
    vi.advanceTimersByTime(1);
    expect(written.slice(1)).toEqual([late]);
    expect(handle[PENDING]).toBeUndefined();
    vi.advanceTimersByTime(60_000);
    expect(written).toHaveLength(2);
  });

  test('the user timeout of the last call only', async () => {
    const { write, written } = await silentFor(5_000, on);
    write(options);
    write({ ...options, userTimeout: 5_000 });
    vi.advanceTimersByTime(60_000);
    expect(written.slice(2)).toEqual([[7, { userTimeout: 5_000 }, false]]);
  });

  test('no user timeout once the connection is closed', async () => {
    const { write, written, handle } = await silentFor(5_000, on);
    write(options);
    handle.fd = -1;
    vi.advanceTimersByTime(60_000);
    expect(written).toHaveLength(1);
  });

  test('nothing that is pending', async () => {
    const { write, handle, dueNow } = await silentFor(5_000);
    expect(dueNow(handle, options)).toBe(options);
    expect(dueNow(undefined, options)).toBe(options);
    write(options);
    expect(dueNow(handle, options)).toEqual(timers);
  });
});

describe('a connection may have been silent', () => {
  const [options, others] = [{ count: 3 }, { count: 4 }];

  test('unless it was looked at in the second that runs', async () => {
    const { write, handle, mayBeSilent } = await silentFor(0);
    expect(mayBeSilent(handle, options)).toBe(true);
    write(options);
    const next: MarkedHandle = { fd: 8 };
    expect([handle, next].map((each) => mayBeSilent(each, others))).toEqual([false, true]);
    vi.advanceTimersByTime(999);
    expect(mayBeSilent(handle, options)).toBe(false);
    vi.advanceTimersByTime(1);
    expect(mayBeSilent(handle, options)).toBe(true);
  });

  test('or was found silent, with these settings', async () => {
    const { write, handle, mayBeSilent } = await silentFor(5_000);
    write(options);
    expect([options, others].map((settings) => mayBeSilent(handle, settings))).toEqual([false, true]);
  });

  test('if there is a handle to keep that on', async () => {
    const { mayBeSilent } = await silentFor(5_000);
    expect(mayBeSilent(undefined, options)).toBe(false);
  });

  test('if the system tells how long, which macOS does not', async () => {
    await packageOn('darwin');
    const { mayBeSilent } = await import('../../src/sockets/silence.ts');
    expect(mayBeSilent({ fd: 7 }, options)).toBe(false);
  });
});

const options = { initialDelay: 1_000, interval: 2_000, count: 3, userTimeout: 5_500 } as const;
const SILENCE = 5_000;

// Tests that run at once cannot say when each of them has finished.
const closings: (() => unknown)[] = [];
afterAll(() => Promise.all(closings.map((close) => close())));

/** A connection on which nothing has been received for as long as it takes until the first lost probe is the last. */
async function silentPair(isOn: boolean): Promise<ConnectedPair> {
  const ends = await connectedPair();
  closings.push(ends.close);
  if (isOn) ends.client.setKeepAlive(true, 60_000);
  ends.client.resume();
  while ((getTcpInfo(ends.client).lastAckReceived ?? 0) < SILENCE) await sleep(50);
  return ends;
}

const ways = [
  { way: 'setKeepAlive', set: (socket: ConnectedPair['client']) => void setKeepAlive(socket, options) },
  { way: 'keepAlive', set: (socket: ConnectedPair['client']) => void keepAlive(socket, options) },
];
const rows = ways.flatMap((way) => [false, true].map((isOn) => ({ ...way, isOn })));

describe
  .runIf(process.platform === 'linux')
  .concurrent('a connection that was silent before it is set', () => {
    test.for(rows)(
      'lives if one probe is lost: by $way, keepalive on before: $isOn',
      async ({ set, isOn }) => {
        const { client, server } = await silentPair(isOn);
        const restore = vanish(server);
        set(client);
        const called = performance.now();
        while (getTcpInfo(client).probes === 0) await sleep(5);
        // The first probe goes out at once, and not after another initialDelay.
        expectWithin({ earliest: 0, latest: 50 }, called);
        restore();
        while ((getTcpInfo(client).probes ?? 0) > 0) await sleep(50);
        expectWithin({ earliest: 2_000, latest: 2_600 }, called);
        await vi.waitUntil(() => getKeepAlive(client).userTimeout === 5_500, 10_000);
        expect(client.destroyed).toBe(false);
        expect(getTcpInfo(client).state).toBe('ESTABLISHED');
        expect(getKeepAlive(client)).toEqual(asRead({ enable: true, ...options }));
      },
    );

    test.for(rows)(
      'is dropped in time if its peer is gone: by $way, on before: $isOn',
      async ({ set, isOn }) => {
        const { client, server } = await silentPair(isOn);
        vanish(client, server);
        set(client);
        const called = performance.now();
        const error = await new Promise((resolve) => client.once('error', resolve));
        // Its silence already counts for the initialDelay, so that only the probes are left.
        const { earliest, latest } = predictDetection({ ...options, userTimeout: 0 }).idle;
        const silent = options.initialDelay;
        expectWithin({ earliest: earliest - silent, latest }, called);
        expect(error).toMatchObject({ code: 'ETIMEDOUT', syscall: 'read' });
      },
    );

    test('tells that its user timeout is pending', async () => {
      const { client } = await silentPair(false);
      const applied: AppliedKeepAlive = setKeepAlive(client, options);
      const { userTimeout, ...written } = options;
      expect(applied).toEqual({ enable: true, ...written, pending: ['userTimeout'] });
      expect(Object.isFrozen(applied.pending)).toBe(true);
      expect(getKeepAlive(client).userTimeout).toBe(0);
      await vi.waitUntil(() => getKeepAlive(client).userTimeout === userTimeout, 10_000);
      expect(setKeepAlive(client, options)).toEqual({ enable: true, ...options });
    });

    test('keeps its user timeout pending whatever a driver calls', async () => {
      const { client, server } = await silentPair(false);
      const restore = vanish(server);
      const { interval, count, userTimeout } = options;
      keepAlive(client, { enable: true, interval, count, userTimeout, initialDelay: 1_000 });
      client.setKeepAlive(true, 33_000);
      setKeepAlive(client, { userTimeout: 6_000 });
      client.setKeepAlive(true, 34_000);
      expect(getKeepAlive(client)).toEqual(asRead({ enable: true, ...options, userTimeout: 0 }));
      restore();
      await vi.waitUntil(() => getKeepAlive(client).userTimeout === 6_000, 10_000);
    });

    test('leaves the kernel as it is once its hold has ended', async () => {
      const { client } = await silentPair(false);
      keepAlive(client, options);
      keepAlive(client, false);
      await sleep(1_500);
      expect(getKeepAlive(client).userTimeout).toBe(0);
    });

    test('is written whole by one call that changes nothing', async () => {
      const { client, server } = await connectedPair();
      closings.push(() => Promise.all([client.destroy(), server.destroy()]));
      setKeepAlive(client, { ...options, initialDelay: 60_000 });
      while ((getTcpInfo(client).lastAckReceived ?? 0) < 1_500) await sleep(50);
      expect(setKeepAlive(client, { ...options, initialDelay: 60_000 })).not.toHaveProperty('pending');
    });
  });

describe.runIf(process.platform === 'linux')('setKeepAlive', () => {
  test.each([0, 1_100])('looks once a second whether a peer is silent, after %i ms', async (silence) => {
    const { client, close } = await connectedPair();
    closings.push(close);
    if (silence > 0) setKeepAlive(client, 'database');
    while ((getTcpInfo(client).lastAckReceived ?? 0) < silence) await sleep(20);
    const { setsockopt, getsockopt } = loadLibc();
    const libc = loadLibc();
    const calls = { set: 0, get: 0 };
    libc.setsockopt = (...args) => {
      calls.set++;
      return setsockopt(...args);
    };
    libc.getsockopt = (...args) => {
      calls.get++;
      return getsockopt(...args);
    };
    try {
      setKeepAlive(client, 'database');
      // Of a silent one, what it has is read too.
      const options = hasRetransmitInterval ? 6 : 5;
      const get = silence > 0 ? 1 + options : 1;
      expect(calls).toEqual({ set: options, get });
      setKeepAlive(client, 'database');
      expect(calls).toEqual({ set: 2 * options, get });
    } finally {
      Object.assign(libc, { setsockopt, getsockopt });
    }
  });
});

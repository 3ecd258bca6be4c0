import { setTimeout as sleep } from 'node:timers/promises';
import {
  type AppliedKeepAlive,
  getKeepAlive,
  getTcpInfo,
  keepAlive,
  predictDetection,
  setKeepAlive,
} from 'tcp-keepalive';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { loadLibc } from '../../native-bindings/libc.ts';
import { type ConnectedPair, connectedPair } from '../helpers/connected-pair.ts';
import { expectDetected } from '../helpers/detection.ts';
import { comeBack, goDark } from '../helpers/go-dark.ts';

// They wait for the kernel, all of them at once.
vi.setConfig({ maxConcurrency: 16 });

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
  while (getTcpInfo(ends.client).lastAckReceived < SILENCE) await sleep(50);
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
        goDark(server);
        set(client);
        const called = performance.now();
        while (getTcpInfo(client).probes === 0) await sleep(5);
        // The first probe goes out at once, and not after another initialDelay.
        expectDetected({ earliest: 0, nominal: 0, latest: 50 }, called);
        comeBack(server);
        while (getTcpInfo(client).probes > 0) await sleep(50);
        expectDetected({ earliest: 2_000, nominal: 2_000, latest: 2_600 }, called);
        await vi.waitUntil(() => getKeepAlive(client).userTimeout === 5_500, 10_000);
        expect(client.destroyed).toBe(false);
        expect(getTcpInfo(client).state).toBe('ESTABLISHED');
        expect(getKeepAlive(client)).toEqual({ enable: true, ...options });
      },
    );

    test.for(rows)(
      'is dropped in time if its peer is gone: by $way, on before: $isOn',
      async ({ set, isOn }) => {
        const { client, server } = await silentPair(isOn);
        goDark(client, server);
        set(client);
        const called = performance.now();
        const error = await new Promise((resolve) => client.once('error', resolve));
        // Its silence already counts for the initialDelay, so that only the probes are left.
        const { earliest, nominal, latest } = predictDetection({ ...options, userTimeout: 0 }).idle;
        const silent = options.initialDelay;
        expectDetected({ earliest: earliest - silent, nominal: nominal - silent, latest }, called);
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
      goDark(server);
      const { interval, count, userTimeout } = options;
      keepAlive(client, { enable: true, interval, count, userTimeout, initialDelay: 1_000 });
      client.setKeepAlive(true, 33_000);
      setKeepAlive(client, { userTimeout: 6_000 });
      client.setKeepAlive(true, 34_000);
      expect(getKeepAlive(client)).toEqual({ enable: true, ...options, userTimeout: 0 });
      comeBack(server);
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
      while (getTcpInfo(client).lastAckReceived < 1_500) await sleep(50);
      expect(setKeepAlive(client, { ...options, initialDelay: 60_000 })).not.toHaveProperty('pending');
    });
  });

describe.runIf(process.platform === 'linux')('setKeepAlive', () => {
  test.each([0, 1_100])('looks once a second whether a peer is silent, after %i ms', async (silence) => {
    const { client, close } = await connectedPair();
    closings.push(close);
    if (silence > 0) setKeepAlive(client, 'database');
    while (getTcpInfo(client).lastAckReceived < silence) await sleep(20);
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
      const get = silence > 0 ? 6 : 1;
      expect(calls).toEqual({ set: 5, get });
      setKeepAlive(client, 'database');
      expect(calls).toEqual({ set: 10, get });
    } finally {
      Object.assign(libc, { setsockopt, getsockopt });
    }
  });
});

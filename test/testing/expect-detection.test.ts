import { once } from 'node:events';
import net from 'node:net';
import { setKeepAlive } from 'tcp-keepalive';
import { expectDetection, vanish } from 'tcp-keepalive/testing';
import { describe, expect, onTestFinished, test } from 'vitest';
import { connectedPair } from '../helpers/connected-pair.ts';

const options = { initialDelay: 1_000, interval: 1_000, count: 1, userTimeout: 1_500 };

/** A connection whose peer has vanished, and which is to notice that by its own options. */
async function lost(onTestFinished: (close: () => Promise<void>) => void, set = options) {
  const { client, close } = await connectedPair();
  onTestFinished(close);
  setKeepAlive(client, set);
  vanish(client);
  return client;
}

const sleep = (time: number) => new Promise((resolve) => setTimeout(resolve, time));

describe.runIf(process.platform === 'linux').concurrent('expectDetection', () => {
  test('an idle connection, whose clock started before', async ({ onTestFinished }) => {
    const socket = await lost(onTestFinished);
    await sleep(700);
    const begin = performance.now();
    const noticed = once(socket, 'error');
    expect(await expectDetection(noticed, options, { state: 'idle', socket })).toMatchObject([
      { code: 'ETIMEDOUT' },
    ]);
    expect(performance.now() - begin).toBeLessThan(1_900);
  });

  test('that clock matters', async ({ onTestFinished }) => {
    const socket = await lost(onTestFinished);
    await sleep(700);
    const expecting = expectDetection(once(socket, 'error'), options, { state: 'idle' });
    await expect(expecting).rejects.toThrow(
      /^Expected a vanished peer to be noticed after 2000 to \d+ ms, got Error: read ETIMEDOUT after 1\d\d\d ms/,
    );
  });

  test.for([{ state: 'unacknowledged' }, {}] as const)(
    'data in flight: %o',
    async (state, { onTestFinished }) => {
      const socket = await lost(onTestFinished);
      socket.write('?');
      const failed = once(socket, 'close').catch((error: unknown) => Promise.reject(error));
      expect(await expectDetection(failed, options, { ...state, socket })).toMatchObject({
        code: 'ETIMEDOUT',
      });
    },
  );

  test('what is noticed too early fails', async () => {
    const query = Promise.reject(new Error('read ECONNRESET'));
    await expect(expectDetection(query, options)).rejects.toThrow(
      /after 1500 to \d+ ms, got Error: read ECONNRESET after \d+ ms/,
    );
    await expect(expectDetection(Promise.resolve(1), options)).rejects.toThrow(/got `1` \(number\) after/);
  });

  test('what is never noticed fails at the end of the window', async ({ onTestFinished }) => {
    const socket = await lost(onTestFinished, { ...options, count: 5, userTimeout: 5_500 });
    const expecting = expectDetection(once(socket, 'error'), options, { state: 'idle', socket });
    await expect(expecting).rejects.toThrow(/got nothing after \d{4} ms/);
  });

  test('options that notice nothing are refused', async () => {
    const never = new Promise(() => {});
    await expect(expectDetection(never, { userTimeout: 1_000 })).rejects.toMatchObject({
      code: 'ERR_KEEPALIVE_INVALID_OPTION',
    });
    await expect(expectDetection(never, options, { state: 'idel' as never })).rejects.toThrow(
      /`idle`, `unackn/,
    );
    const unconnected = new net.Socket();
    await expect(expectDetection(never, options, { socket: unconnected })).rejects.toMatchObject({
      code: 'ERR_KEEPALIVE_NOT_CONNECTED',
    });
  });
});

test.runIf(process.platform === 'linux')(
  'a time in which the process did not run is no lateness',
  async () => {
    const socket = await lost(onTestFinished);
    const expecting = expectDetection(once(socket, 'error'), options, { state: 'idle', socket });
    await sleep(500);
    for (const end = performance.now() + 4_000; performance.now() < end; );
    expect(await expecting).toMatchObject([{ code: 'ETIMEDOUT' }]);
  },
);

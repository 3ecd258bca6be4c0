import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as soon } from 'node:timers/promises';
import { expectDetection, vanish } from 'tcp-keepalive/testing';
import { describe, expect, test } from 'vitest';
import { predictDetection } from '../../src/predict/predict.ts';
import { getTcpInfo } from '../../src/sockets/get.ts';
import { connectedPair } from '../helpers/connected-pair.ts';
import { acknowledged, expectWithin, lastHeard } from '../helpers/detection.ts';
import { writeRaw } from '../helpers/raw-options.ts';

// Fresh runs against the kernel under the test, each with options drawn at random. Set
// KEEPALIVE_SEED to the printed number to draw the same ones again.
const seed = Number(process.env.KEEPALIVE_SEED ?? Math.floor(Math.random() * 2 ** 31));
console.log(`predict-live: KEEPALIVE_SEED=${seed}`);
const random = randomFrom(seed);

const idleRuns = Array.from({ length: 6 }, (_, run) => {
  const initialDelay = seconds(1, 3);
  const interval = seconds(1, 2);
  const count = whole(1, 3);
  const userTimeout = run % 2 === 0 ? 0 : whole(1_000, 7_000);
  return { initialDelay, interval, count, userTimeout };
});
const userTimeouts = Array.from({ length: 3 }, () => ({ userTimeout: whole(1_000, 7_000) }));

describe.runIf(process.platform === 'linux')(
  'the kernel does what was predicted',
  { concurrent: true },
  () => {
    test.for(idleRuns)(
      'idle: $initialDelay/$interval/$count $userTimeout',
      async (options, { onTestFinished }) => {
        const { client, server, close } = await connectedPair();
        onTestFinished(close);
        for (const option of ['initialDelay', 'interval'] as const)
          writeRaw(client, option, options[option] / 1_000);
        writeRaw(client, 'count', options.count);
        writeRaw(client, 'userTimeout', options.userTimeout);
        writeRaw(client, 'enable', 1);
        await exchange(client, server);
        vanish(client, server);
        await expectDetection(dropped(client), options, { state: 'idle', socket: client });
      },
    );

    test('idle, after probes that were answered, with an interval longer than the delay', async ({
      onTestFinished,
    }) => {
      const options = { initialDelay: 1_000, interval: 3_000, count: 1 };
      const { client, server, close } = await connectedPair();
      onTestFinished(close);
      writeRaw(client, 'initialDelay', 1);
      writeRaw(client, 'interval', 3);
      writeRaw(client, 'count', 1);
      writeRaw(client, 'enable', 1);
      client.resume();
      const started = performance.now();
      // The first probe goes out after a second, is answered, and the kernel then waits for the interval.
      while ((getTcpInfo(client).lastAckReceived ?? 0) > performance.now() - started - 500) await soon(20);
      vanish(client, server);
      const heard = lastHeard(client);

      await expectDetection(dropped(client), options, { state: 'idle', socket: client });
      // Later than a connection that was never probed would have been.
      expect(performance.now() - heard).toBeGreaterThan(5_900);
    });

    test.for(userTimeouts)('data in flight: $userTimeout', async ({ userTimeout }, { onTestFinished }) => {
      const { client, server, close } = await connectedPair();
      onTestFinished(close);
      await exchange(client, server);
      writeRaw(client, 'userTimeout', userTimeout);
      vanish(client, server);
      client.write('nobody hears this');
      await expectDetection(dropped(client), { userTimeout }, { state: 'unacknowledged', socket: client });
    });

    test.for(userTimeouts)('a zero window: $userTimeout', async ({ userTimeout }, { onTestFinished }) => {
      const { client, server, close } = await connectedPair();
      onTestFinished(close);
      server.pause();
      writeRaw(client, 'userTimeout', userTimeout);
      const end = dropped(client);
      const data = Buffer.alloc(16 * 1024 * 1024);
      const written = performance.now();
      client.write(data);
      const { filled, rto } = await windowFilled(client);
      await end;

      const { zeroWindow } = predictDetection({ userTimeout }, { rto });
      // A process that had to wait for a processor may have seen the ACK of a probe, after the window was full.
      expectWithin({ ...zeroWindow, latest: Infinity }, written);
      expectWithin({ ...zeroWindow, earliest: 0 }, filled);
    });

    test.for(userTimeouts)('connecting: $userTimeout', async ({ userTimeout }, { onTestFinished }) => {
      const listener = net.createServer();
      listener.listen(0, '127.0.0.1');
      await once(listener, 'listening');
      onTestFinished(() => void listener.close());
      vanish(listener);
      const { port } = listener.address() as net.AddressInfo;
      const client = net.connect(port, '127.0.0.1');
      // The descriptor is there one tick after connect(), when the SYN has been sent.
      process.nextTick(() => writeRaw(client, 'userTimeout', userTimeout));
      await expectDetection(dropped(client), { userTimeout }, { state: 'connecting' });
    });
  },
);

async function dropped(socket: net.Socket): Promise<void> {
  const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
  expect(error.code).toBe('ETIMEDOUT');
}

/** Lets the kernel measure a round trip, and leaves nothing unacknowledged. */
async function exchange(client: net.Socket, server: net.Socket): Promise<void> {
  client.resume();
  server.resume();
  client.write('ping');
  await once(server, 'data');
  server.write('pong');
  await once(client, 'data');
  await acknowledged([client, server]);
}

/** Waits until the peer has no room, and tells when its last ACK said so. */
async function windowFilled(client: net.Socket): Promise<{ filled: number; rto: number }> {
  for (;;) {
    const { sendWindow, unacked, lastAckReceived, rto } = getTcpInfo(client);
    if (sendWindow === 0 && unacked === 0) return { filled: performance.now() - lastAckReceived, rto };
    await turn();
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function seconds(min: number, max: number): number {
  return whole(min, max) * 1_000;
}

function whole(min: number, max: number): number {
  return min + Math.floor(random() * (max - min + 1));
}

/** Mulberry32: numbers from 0 to 1 that a seed gives again. */
function randomFrom(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

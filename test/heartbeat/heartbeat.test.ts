import { getEventListeners, once } from 'node:events';
import net from 'node:net';
import { heartbeat, type Silence } from 'tcp-keepalive/heartbeat';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { fakeTimers, rhythm } from '../helpers/heartbeats.ts';
import { PATIENCE } from '../helpers/patience.ts';

/** A ping that is answered when the test says so. */
function ownPing() {
  const asked: { answer(): void; fail(error: Error): void }[] = [];
  const ping = () =>
    new Promise<void>((resolve, reject) => {
      asked.push({ answer: resolve, fail: reject });
    });
  return { asked, ping };
}

/** A heartbeat with a ping and a clock of the test's own. */
function underTest(options: Partial<Parameters<typeof heartbeat>[0]> = {}) {
  fakeTimers();
  const deaths: Silence[] = [];
  const { asked, ping } = ownPing();
  const beating = heartbeat({
    ping,
    every: 10_000,
    timeout: 25_000,
    onDead: (silence) => deaths.push(silence),
    ...options,
  });
  onTestFinished(beating.stop);
  return { asked, beating, deaths };
}

describe('heartbeat, on fake timers', () => {
  it('asks at each beat and measures the round trip', async () => {
    const { asked, beating, deaths } = underTest();
    expect(beating.roundTrip).toBeUndefined();
    await vi.advanceTimersByTimeAsync(9_990);
    expect(asked).toHaveLength(0);
    for (let beats = 1; beats <= 5; beats++) {
      await vi.advanceTimersByTimeAsync(beats === 1 ? 20 : 9_960);
      expect(asked).toHaveLength(beats);
      await vi.advanceTimersByTimeAsync(40);
      asked.at(-1)?.answer();
      await vi.advanceTimersByTimeAsync(0);
      expect(beating.roundTrip).toBeGreaterThanOrEqual(40);
      expect(beating.roundTrip).toBeLessThan(80);
      expect(beating.misses).toBe(0);
    }
    expect(deaths).toEqual([]);
  });

  it('does not pile up pings, counts misses, and tells of the death once', async () => {
    const { asked, beating, deaths } = underTest();
    await vi.advanceTimersByTimeAsync(10_010);
    expect(beating.misses).toBe(0);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(beating.misses).toBe(1);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(beating.misses).toBe(2);
    expect(deaths).toEqual([]);
    await vi.advanceTimersByTimeAsync(5_010);
    expect(deaths).toEqual([{ duration: expect.closeTo(25_000, -2), misses: 2, error: undefined }]);
    await vi.advanceTimersByTimeAsync(100_000);
    expect(asked).toHaveLength(1);
    expect(deaths).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('treats a ping that throws as one that fails', async () => {
    const error = new Error('closed');
    const { deaths } = underTest({
      ping: () => {
        throw error;
      },
    });
    await vi.advanceTimersByTimeAsync(36_000);
    expect(deaths).toMatchObject([{ error }]);
  });

  it('sends a ping that fails again before the target is given up', async () => {
    const { asked, beating, deaths } = underTest({ every: 25_000, timeout: 10_000 });
    await vi.advanceTimersByTimeAsync(25_010);
    asked[0]?.fail(new Error('once'));
    await vi.advanceTimersByTimeAsync(4_900);
    expect([asked.length, beating.misses]).toEqual([1, 0]);
    await vi.advanceTimersByTimeAsync(110);
    expect([asked.length, beating.misses]).toEqual([2, 1]);
    asked[1]?.answer();
    await vi.advanceTimersByTimeAsync(19_000);
    expect([asked.length, beating.misses, deaths.length]).toEqual([2, 0, 0]);

    // The next ping fails late, is sent again at once, and in vain.
    await vi.advanceTimersByTimeAsync(1_010);
    await vi.advanceTimersByTimeAsync(8_000);
    const error = new Error('again');
    asked[2]?.fail(error);
    await vi.advanceTimersByTimeAsync(10);
    expect(asked).toHaveLength(4);
    await vi.advanceTimersByTimeAsync(2_100);
    expect(deaths).toEqual([{ duration: expect.closeTo(10_000, -2), misses: 1, error }]);
    await vi.advanceTimersByTimeAsync(100_000);
    expect([asked.length, vi.getTimerCount()]).toEqual([4, 0]);
  });

  it('ends with stop() and with its signal, and leaves no timer', async () => {
    const controller = new AbortController();
    for (const end of [undefined, controller]) {
      const { asked, beating, deaths } = underTest({ signal: controller.signal });
      await vi.advanceTimersByTimeAsync(10_005);
      end === undefined ? beating.stop() : end.abort();
      await vi.advanceTimersByTimeAsync(100_000);
      expect([asked.length, deaths.length, vi.getTimerCount()]).toEqual([1, 0, 0]);
    }
    underTest({ signal: controller.signal });
    expect(vi.getTimerCount()).toBe(0);
  });

  it('does not measure an answer that comes after it has ended', async () => {
    const stopped = underTest();
    await vi.advanceTimersByTimeAsync(10_010);
    stopped.beating.stop();
    const dead = underTest();
    await vi.advanceTimersByTimeAsync(36_000);
    for (const { asked, beating } of [stopped, dead]) {
      asked[0]?.answer();
      await vi.advanceTimersByTimeAsync(0);
      expect(beating.roundTrip).toBeUndefined();
    }
  });
});

describe('heartbeat', () => {
  it('takes its listener off the signal when it ends', () => {
    const { signal } = new AbortController();
    const beating = heartbeat({ ping: async () => {}, onDead() {}, ...rhythm, signal });
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    beating.stop();
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  it('does not take its own delay for silence', async () => {
    const deaths: Silence[] = [];
    const server = net.createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const client = net.connect((server.address() as net.AddressInfo).port, '127.0.0.1');
    onTestFinished(() => void server.close());
    onTestFinished(() => void client.destroy());
    await once(client, 'connect');
    let pings = 0;
    const beating = heartbeat({
      async ping() {
        client.write('ping');
        const answer = once(client, 'data');
        // Busy beyond the timeout, while the answer is on its way.
        if (++pings === 1) setTimeout(block, 0, 1_300);
        await answer;
      },
      every: 1_000,
      timeout: 1_000,
      onDead: (silence) => deaths.push(silence),
    });
    onTestFinished(beating.stop);
    await vi.waitFor(() => expect(pings).toBe(3), { timeout: PATIENCE, interval: 50 });
    expect(deaths).toEqual([]);
  });
});

function block(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end) {
    // Nothing else runs.
  }
}

import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { keepAlive, type ReapOptions, reapLostSockets, setKeepAlive } from 'tcp-keepalive';
import { vanish } from 'tcp-keepalive/testing';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { loadLibc } from '../../../native-bindings/libc.ts';
import type { MarkedHandle } from '../../../src/sockets/hold-record.ts';
import { reapForRules, turnsFor, watchAccepted } from '../../../src/sockets/reap.ts';
import { reaper, unwatch, watchedOf } from '../../../src/sockets/watched.ts';
import { connectedPair } from '../../helpers/connected-pair.ts';
import { pair } from '../../helpers/connection.ts';
import { acknowledged } from '../../helpers/detection.ts';
import { handleOf } from '../../helpers/handle-of.ts';
import { hideDescriptor } from '../../helpers/hide-descriptor.ts';
import { listen } from '../../helpers/listen.ts';
import { packageOn } from '../../helpers/package-on.ts';
import { PATIENCE } from '../../helpers/patience.ts';
import { runFixture } from '../../helpers/run-fixture.ts';
import { tlsPair } from '../../helpers/tls-pair.ts';

const stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

function reap(options?: ReapOptions): () => void {
  const stop = reapLostSockets(options);
  stops.push(stop);
  return stop;
}

const unbounded = { initialDelay: 1_000, interval: 1_000, count: 1, userTimeout: 0 } as const;

/** Not `once()`, which an error rejects. */
function closed(socket: net.Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

/** A held socket with data in flight to a peer that has vanished. */
async function lostSocket(): Promise<net.Socket> {
  const { client, server } = await pair();
  keepAlive(client, unbounded);
  vanish(client, server);
  client.write('query');
  return client;
}

test.each([
  {
    options: { every: 99 },
    message: 'Expected `every` to be from 100 to 3600000 milliseconds, got `99` (number)',
  },
  { options: { every: 3_600_001 }, message: 'Expected `every`' },
  {
    options: { silentAfter: 25 },
    message: 'Expected `silentAfter` to be from 1000 to 2147483647 milliseconds',
  },
  { options: { silentAfter: 25 }, message: 'did you mean 25000?' },
  { options: { onLost: 'log' }, message: 'Expected `onLost` to be a function' },
  { options: { on: () => {} }, message: 'Expected `every`, `silentAfter`, `onLost`, got `on`' },
  { options: null, message: 'Expected an object such as { every: 1000 }, got null' },
])('$options is refused', ({ options, message }) => {
  const refused = () => reapLostSockets(options as ReapOptions);
  expect(refused).toThrow(message);
  expect(refused).toThrow(expect.objectContaining({ code: 'ERR_KEEPALIVE_INVALID_OPTION' }));
  expect(reaper().timer).toBeUndefined();
});

test('what is asked for: once a second, and accepted sockets for rules only', () => {
  const ofEveryOne = { every: 1_000, silentAfter: undefined, onLost: undefined, accepted: false };
  reap();
  expect(reaper().asked).toEqual(ofEveryOne);
  stops.push(reapForRules(5_000));
  expect(reaper().asked).toEqual({ ...ofEveryOne, silentAfter: 5_000, accepted: true });
});

test('an accepted socket with the options of its listener is watched for rules only', async () => {
  const { client } = await pair();
  const isWatched = () => reaper().watched.has(handleOf(client) as MarkedHandle);
  watchAccepted(client, { count: 3 });
  reap();
  watchAccepted(client, { count: 3 });
  stops.push(reapForRules(5_000));
  watchAccepted(client, undefined);
  expect(isWatched()).toBe(false);
  watchAccepted(client, { count: 3 });
  expect(isWatched()).toBe(true);
});

test.each([
  { count: 0, turns: 1 },
  { count: 250, turns: 1 },
  { count: 251, turns: 2 },
  { count: 9_750, turns: 39 },
  { count: 9_751, turns: 40 },
  { count: 100_000, turns: 40 },
])('$count sockets are looked at in $turns turns', ({ count, turns }) => {
  expect(turnsFor(count)).toBe(turns);
});

describe.runIf(process.platform === 'linux')('a reaper', () => {
  test('looks until it is stopped', async () => {
    const stop = reap({ every: 100 });
    expect(reaper().timer?.hasRef()).toBe(false);
    stop();
    expect(reaper().timer).toBeUndefined();
    const socket = await lostSocket();
    await sleep(3_500);
    expect(socket.destroyed).toBe(false);
  });

  test('replaces the one before, whose stop does nothing then', async () => {
    const first = vi.fn();
    const second = vi.fn();
    const stop = reap({ every: 100, onLost: first });
    reap({ every: 100, silentAfter: 1_000, onLost: second });
    stop();
    const socket = await lostSocket();
    await closed(socket);
    expect(second.mock.calls).toEqual([[socket]]);
    expect(first).not.toHaveBeenCalled();
  });

  test('looks at sockets that were held before', async () => {
    const socket = await lostSocket();
    reap({ every: 100 });
    const begin = performance.now();
    await closed(socket);
    expect(performance.now() - begin).toBeLessThan(3_500);
    expect(socket.errored).toMatchObject({ code: 'ETIMEDOUT' });
  });

  test.each([
    {
      does: 'throws',
      onLost: () => {
        throw new Error('mine');
      },
    },
    {
      does: 'rejects',
      onLost: async () => {
        throw new Error('mine');
      },
    },
  ])('goes on if onLost $does', async ({ onLost }) => {
    const warning = once(process, 'warning');
    const told = vi.fn(onLost);
    reap({ every: 100, silentAfter: 1_000, onLost: told });
    const sockets = await Promise.all([lostSocket(), lostSocket()]);
    await Promise.all(sockets.map(closed));
    expect(told).toHaveBeenCalledTimes(2);
    // There is one warning for each code.
    const [first] = await Promise.race([warning, sleep(100, [undefined])]);
    if (first !== undefined) expect(first).toMatchObject({ code: 'ERR_KEEPALIVE_ON_ERROR_THREW' });
    process.removeAllListeners('warning');
  });

  test.each([
    { kind: 'TCP', open: () => connectedPair() },
    { kind: 'TLS', open: () => tlsPair() },
    {
      kind: 'TLS that was started on a held socket',
      open: () => tlsPair('127.0.0.1', (port) => keepAlive(net.connect(port, '127.0.0.1'), 'database')),
    },
  ])(
    'makes no system call for sockets of $kind that hear, or that something has come for',
    async ({ open }) => {
      const { client, server } = await open();
      onTestFinished(() => {
        client.destroy();
        server.destroy();
      });
      client.resume();
      server.resume();
      keepAlive(client, 'database');
      reap({ every: 100 });
      client.write('query');
      server.write('answer');
      await acknowledged([client, server]);
      // The look after the answer, and one that sees that nothing is in flight.
      await sleep(400);
      const calls = (name: 'getsockopt' | 'recv' | 'poll') => vi.spyOn(loadLibc(), name);
      const spies = [calls('getsockopt'), calls('recv'), calls('poll')];
      onTestFinished(() => spies.forEach((spy) => void spy.mockRestore()));
      await sleep(1_000);
      for (const spy of spies) expect(spy).not.toHaveBeenCalled();
      const answering = setInterval(() => server.write('more'), 20);
      onTestFinished(() => clearInterval(answering));
      await sleep(1_000);
      for (const spy of spies) expect(spy).not.toHaveBeenCalled();
      clearInterval(answering);
      client.write('query');
      await vi.waitFor(() => expect(spies[0]).toHaveBeenCalled(), 2_000);
    },
  );

  test('makes no system call for one that keeps writing, and begins anew when its peer is heard', async () => {
    const { client, server } = await pair();
    client.resume();
    server.resume();
    keepAlive(client, 'database');
    const writing = setInterval(() => client.write('query'), 10);
    onTestFinished(() => clearInterval(writing));
    const getsockopt = vi.spyOn(loadLibc(), 'getsockopt');
    onTestFinished(() => getsockopt.mockRestore());
    reap({ every: 100 });
    const { looks } = watchedOf(handleOf(client) as MarkedHandle);
    await vi.waitFor(
      () => expect(looks).toMatchObject({ since: expect.any(Number), isUnsure: true }),
      PATIENCE,
    );
    expect(getsockopt).not.toHaveBeenCalled();
    const answering = setInterval(() => server.write('answer'), 10);
    onTestFinished(() => clearInterval(answering));
    await vi.waitFor(() => expect(looks).toMatchObject({ since: undefined, isUnsure: false }), PATIENCE);
  });

  test('spreads many sockets over the time between two looks, and looks at each once in it', async () => {
    // Of three turns, the first two look at one socket more than the last.
    const pairs = await Promise.all(Array.from({ length: 601 }, () => pair()));
    for (const { client } of pairs) keepAlive(client, 'database');
    const turns: { at: number; handles: object[] }[] = [];
    let isNewTurn = true;
    const note = (handle: object) => {
      if (isNewTurn) turns.push({ at: performance.now(), handles: [] });
      isNewTurn = false;
      turns.at(-1)?.handles.push(handle);
      queueMicrotask(() => {
        isNewTurn = true;
      });
    };
    for (const { client } of pairs) {
      const handle = handleOf(client);
      // Every look reads this one first.
      Object.defineProperty(handle, 'bytesRead', {
        get() {
          note(handle);
          return 0;
        },
      });
    }
    const began = performance.now();
    reap({ every: 1_000 });
    await vi.waitFor(() => expect(turns.length).toBeGreaterThanOrEqual(3), PATIENCE);
    const round = turns.slice(0, 3);
    expect(round.map(({ handles }) => handles.length)).toEqual([201, 201, 199]);
    expect(new Set(round.flatMap(({ handles }) => handles)).size).toBe(601);
    const times = round.map(({ at }) => at - began);
    expect(Math.max(...times) - Math.min(...times)).toBeGreaterThan(400);
    // A round takes a second, and a few on a busy machine.
    expect(Math.max(...times)).toBeLessThan(6_000);
  });

  test('ends accepted sockets with the options of their listener, but none that its user has set', async () => {
    const [inherited, set] = await Promise.all([pair(), pair()]);
    stops.push(reapForRules(undefined));
    setKeepAlive(set.client, { ...unbounded, initialDelay: 60_000 });
    for (const { client, server } of [inherited, set]) {
      watchAccepted(client, unbounded);
      vanish(client, server);
      client.write('query');
    }
    await closed(inherited.client);
    expect(inherited.client.errored).toMatchObject({ code: 'ETIMEDOUT' });
    // The round after this one.
    await sleep(1_500);
    expect(set.client.destroyed).toBe(false);
    // Nothing hears of the end of a connection that is not held, until it is looked at.
    unwatch(handleOf(set.client) as MarkedHandle);
  });

  test('forgets a socket that shows no descriptor, and one that is closed', async () => {
    const [hidden, closed] = await Promise.all([pair(), pair()]);
    keepAlive(hidden.client, 'database');
    keepAlive(closed.client, 'database');
    expect(reaper().watched.size).toBe(2);
    closed.client.destroy();
    await once(closed.client, 'close');
    expect(reaper().watched.size).toBe(1);
    hideDescriptor(hidden.client);
    reap({ every: 100 });
    await vi.waitFor(() => expect(reaper().watched.size).toBe(0), 2_000);
  });

  test('forgets a socket that is reset', async () => {
    const { client } = await pair();
    keepAlive(client, 'database');
    expect(reaper().watched.size).toBe(1);
    client.resetAndDestroy();
    await once(client, 'close');
    expect(reaper().watched.size).toBe(0);
  });

  test('forgets, once there are many, those that were closed past it', async () => {
    const { client } = await pair();
    const handle = handleOf(client);
    const { close } = Object.getPrototypeOf(handle);
    // Another tool has replaced it before.
    handle.close = (...args: unknown[]) => Reflect.apply(close, handle, args);
    keepAlive(client, 'database');
    client.destroy();
    await once(client, 'close');
    expect(reaper().watched.size).toBe(1);
    reaper().sweepAt = 2;
    const { client: later } = await pair();
    keepAlive(later, 'database');
    expect([...reaper().watched]).toEqual([handleOf(later)]);
  });

  test('is not stopped by fake timers', async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    reap({ every: 100, silentAfter: 1_000 });
    const socket = await lostSocket();
    await closed(socket);
    expect(socket.errored).toMatchObject({ code: 'ETIMEDOUT' });
  });

  test('leaves an attempt to connect to the kernel', async () => {
    const server = net.createServer();
    const port = await listen(server);
    vanish(server);
    reap({ every: 100, silentAfter: 1_000 });
    const socket = keepAlive(net.connect(port, '127.0.0.1'), { userTimeout: 3_000 });
    onTestFinished(() => void socket.destroy());
    const [error] = await once(socket, 'error').catch((thrown) => [thrown]);
    expect(error).toMatchObject({ code: 'ETIMEDOUT', syscall: 'connect' });
  });

  test('leaves nothing behind of sockets that are gone', async () => {
    expect(await runFixture('hold-leaves-nothing.ts', 'reap')).toEqual({ sockets: 0, handles: 0 });
  });

  test('keeps no process alive', async () => {
    const port = await listen(net.createServer());
    expect(await runFixture('hold-unreferenced.ts', String(port), 'open', 'reap')).toEqual({
      moment: 'open',
    });
  });
});

test('without TCP_INFO there is no timer', async () => {
  const { reapLostSockets: reapHere } = await packageOn('darwin');
  stops.push(reapHere());
  expect(reaper().timer).toBeUndefined();
});

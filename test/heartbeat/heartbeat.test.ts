import { EventEmitter, getEventListeners, once } from 'node:events';
import http2 from 'node:http2';
import net from 'node:net';
import mysql from 'mysql2';
import mysqlPromise from 'mysql2/promise';
import pg from 'pg';
import {
  type Heartbeat,
  heartbeat,
  heartbeatHttp2,
  heartbeatMysql2,
  heartbeatPg,
  heartbeatWs,
  type Silence,
} from 'tcp-keepalive/heartbeat';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, test, vi } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { deafProxy } from '../helpers/deaf-proxy.ts';
import { describeWithServer } from '../helpers/describe-with-server.ts';
import { goDark } from '../helpers/go-dark.ts';
import { mariadb } from '../helpers/start-mariadb.ts';
import { postgres } from '../helpers/start-postgres.ts';

// What a timer of 1 000 ms may be late on a busy machine.
const LATE = 900;

/** Takes what is to be done when a test is over, the last first: vitest's `onTestFinished`. */
type Later = (cleanup: () => void | Promise<void>) => unknown;

afterEach(() => {
  vi.useRealTimers();
});

/** A ping that is answered when the test says so. */
function peer() {
  const asked: { answer(): void; fail(error: Error): void }[] = [];
  const ping = () =>
    new Promise<void>((resolve, reject) => {
      asked.push({ answer: resolve, fail: reject });
    });
  return { asked, ping };
}

function fakeTimers(): void {
  vi.useFakeTimers({
    toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate', 'performance'],
  });
}

/** A heartbeat with a peer and a clock of the test's own. */
function underTest(options: Partial<Parameters<typeof heartbeat>[0]> = {}) {
  fakeTimers();
  const deaths: Silence[] = [];
  const { asked, ping } = peer();
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

  it('lets an answer that is late but in time count', async () => {
    const { asked, beating, deaths } = underTest();
    await vi.advanceTimersByTimeAsync(34_900);
    asked[0]?.answer();
    await vi.advanceTimersByTimeAsync(20_000);
    expect(deaths).toEqual([]);
    expect(asked).toHaveLength(2);
    expect(beating.roundTrip).toBeGreaterThan(24_000);
  });

  it('is dead before the next beat where the timeout is shorter', async () => {
    const { asked, deaths } = underTest({ every: 60_000, timeout: 2_000 });
    await vi.advanceTimersByTimeAsync(61_900);
    expect([asked.length, deaths.length]).toEqual([1, 0]);
    await vi.advanceTimersByTimeAsync(120);
    expect(deaths).toHaveLength(1);
  });

  it('tries a ping that fails again, and tells of its error', async () => {
    const { asked, beating, deaths } = underTest();
    const error = new Error('refused');
    for (let beats = 1; beats <= 3; beats++) {
      await vi.advanceTimersByTimeAsync(10_005);
      expect(asked).toHaveLength(beats);
      asked.at(-1)?.fail(error);
    }
    expect(beating.misses).toBe(2);
    await vi.advanceTimersByTimeAsync(5_010);
    expect(deaths).toEqual([{ duration: expect.closeTo(25_000, -2), misses: 2, error }]);
  });

  it('takes a ping that throws for one that fails', async () => {
    const error = new Error('closed');
    const { deaths } = underTest({
      ping: () => {
        throw error;
      },
    });
    await vi.advanceTimersByTimeAsync(36_000);
    expect(deaths).toMatchObject([{ error }]);
  });

  it('tries a ping that fails again before the peer is given up, where the timeout is shorter', async () => {
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

    // The next beat fails late, is tried at once, and in vain.
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

  it('tries again even where the process was busy until the peer would be given up', async () => {
    const { asked, deaths } = underTest({ every: 25_000, timeout: 10_000 });
    await vi.advanceTimersByTimeAsync(25_010);
    const busy = vi.spyOn(performance, 'now');
    const now = performance.now();
    busy.mockReturnValue(now + 12_000);
    asked[0]?.fail(new Error('once'));
    await vi.advanceTimersByTimeAsync(20);
    expect([asked.length, deaths.length]).toEqual([2, 0]);
    busy.mockRestore();
    asked[1]?.answer();
    await vi.advanceTimersByTimeAsync(15_000);
    expect(deaths).toEqual([]);
  });

  it('goes on when a failed ping is followed by an answer', async () => {
    const { asked, beating, deaths } = underTest();
    await vi.advanceTimersByTimeAsync(10_005);
    asked[0]?.fail(new Error('once'));
    await vi.advanceTimersByTimeAsync(10_000);
    expect(beating.misses).toBe(1);
    asked[1]?.answer();
    await vi.advanceTimersByTimeAsync(30_000);
    expect([beating.misses, deaths.length]).toEqual([2, 0]);
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

  it('does not make up for beats that it missed while the process was busy', async () => {
    const ping = vi.fn(async () => {});
    underTest({ every: 1_000, timeout: 5_000, ping });
    const clock = vi.spyOn(performance, 'now');
    clock.mockReturnValue(performance.now() + 10_000);
    await vi.advanceTimersByTimeAsync(1_050);
    clock.mockRestore();
    expect(ping).toHaveBeenCalledOnce();
  });

  it('does not measure an answer that comes once it has ended', async () => {
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
    await vi.waitFor(() => expect(pings).toBe(3), { timeout: 8_000, interval: 50 });
    expect(deaths).toEqual([]);
  });

  test.each<[string, object]>([
    [
      'Expected `every` to be from 1000 to 2147483647 milliseconds, got `30` (number); did you mean 30000?',
      { every: 30 },
    ],
    ['Expected `timeout` to be from 1000', { timeout: Number.NaN }],
    ['got `2147483648` (number)', { timeout: 2 ** 31 }],
    ['got `5s` (string)', { every: '5s' }],
    ['Expected `ping` to be a function, got undefined', { ping: undefined }],
    ['Expected `onDead` to be a function, got `7` (number)', { onDead: 7 }],
    ['Expected `signal` to be an AbortSignal', { signal: {} }],
  ])('refuses: %s', (message, wrong) => {
    const options = { ping: async () => {}, every: 1_000, timeout: 1_000, onDead: () => {}, ...wrong };
    expect(() => heartbeat(options)).toThrow(
      expect.objectContaining({
        code: 'ERR_KEEPALIVE_INVALID_OPTION',
        message: expect.stringContaining(message),
      }),
    );
  });
});

const revoked = () => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
};

describe.each<[string, (target: never, options?: never) => unknown]>([
  ['heartbeat', heartbeat],
  ['heartbeatWs', heartbeatWs],
  ['heartbeatHttp2', heartbeatHttp2],
  ['heartbeatPg', heartbeatPg],
  ['heartbeatMysql2', heartbeatMysql2],
])('%s', (_name, start) => {
  test.each([
    ['undefined', undefined],
    ['null', null],
    ['{}', {}],
    ['a number', 7],
    ['a revoked proxy', revoked()],
  ])('refuses %s', (_what, target) => {
    expect(() => start(target as never)).toThrow(
      expect.objectContaining({ code: 'ERR_KEEPALIVE_INVALID_OPTION' }),
    );
  });
});

test.each<[string, unknown]>([
  ['null', null],
  ['a wrong onDead', { onDead: 7 }],
  ['a revoked proxy', revoked()],
])('what is ready for use refuses %s as its options', (_what, options) => {
  const pool = { idleCount: 0, connect: async () => ({}) };
  expect(() => heartbeatPg(pool as never, options as never)).toThrow(
    expect.objectContaining({ code: 'ERR_KEEPALIVE_INVALID_OPTION' }),
  );
});

function block(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end) {
    // Nothing else runs.
  }
}

/** How long it took until a heartbeat told of a death, after the peer had vanished. */
async function deathOf(
  later: Later,
  start: (onDead: () => void) => Heartbeat,
  vanish: () => void,
): Promise<number> {
  const { promise, resolve } = withResolvers<void>();
  const beating = start(resolve);
  later(beating.stop);
  await vi.waitFor(() => expect(beating.roundTrip).toBeGreaterThan(0), { timeout: 5_000, interval: 10 });
  vanish();
  const begin = performance.now();
  await promise;
  return performance.now() - begin;
}

function withResolvers<T>() {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

// The next beat is at most `every` away, and the silence after it is `timeout`.
const rhythm = { every: 1_000, timeout: 1_000 };
function expectInTime(elapsed: number): void {
  expect(elapsed).toBeGreaterThanOrEqual(rhythm.timeout - 50);
  expect(elapsed).toBeLessThan(rhythm.every + rhythm.timeout + LATE);
}

/** Waits for so many beats of another heartbeat of that rhythm. */
async function afterBeats(count: number): Promise<void> {
  const ping = vi.fn(async () => {});
  const beating = heartbeat({ ping, ...rhythm, onDead() {} });
  await vi.waitFor(() => expect(ping).toHaveBeenCalledTimes(count), { timeout: 15_000, interval: 50 });
  beating.stop();
}

/** A WebSocket that tells nobody what it pings, and is answered when the test says so. */
class FakeWebSocket extends EventEmitter {
  readyState: number = WebSocket.OPEN;
  readonly pings: string[] = [];

  ping(payload: string): void {
    this.pings.push(payload);
  }

  terminate(): void {
    this.readyState = WebSocket.CLOSED;
    this.emit('close');
  }
}

describe('heartbeatWs, with fake sockets on fake timers', () => {
  beforeEach(fakeTimers);

  it('asks after 25 s, and waits 10 s for the answer, where nothing else is asked for', async () => {
    const socket = new FakeWebSocket();
    const { stop } = heartbeatWs(socket);
    onTestFinished(stop);
    await vi.advanceTimersByTimeAsync(24_900);
    expect(socket.pings).toEqual([]);
    await vi.advanceTimersByTimeAsync(10_050);
    expect([socket.pings, socket.readyState]).toEqual([['1'], WebSocket.OPEN]);
    await vi.advanceTimersByTimeAsync(100);
    expect(socket.readyState).toBe(WebSocket.CLOSED);
  });

  it('leaves no timer once its target has closed, and none where it is closed already', () => {
    const socket = new FakeWebSocket();
    const server = Object.assign(new EventEmitter(), { clients: new Set([socket]) });
    for (const target of [socket, server]) {
      heartbeatWs<FakeWebSocket>(target);
      expect(vi.getTimerCount()).toBe(1);
      target.emit('close');
      expect([vi.getTimerCount(), target.listenerCount('close')]).toEqual([0, 0]);
    }
    socket.terminate();
    heartbeatWs(socket);
    expect([vi.getTimerCount(), socket.listenerCount('close')]).toEqual([0, 0]);
  });

  it('lets no pong count but the one to its own ping', async () => {
    const socket = new FakeWebSocket();
    const beating = heartbeatWs(socket, rhythm);
    onTestFinished(beating.stop);
    await vi.advanceTimersByTimeAsync(1_050);
    socket.emit('pong', Buffer.from('0'));
    await vi.advanceTimersByTimeAsync(0);
    expect(beating.roundTrip).toBeUndefined();
    socket.emit('pong', Buffer.from('1'));
    await vi.advanceTimersByTimeAsync(0);
    expect(beating.roundTrip).toBeGreaterThan(0);
  });

  test.each(['CONNECTING', 'CLOSING'] as const)('pings no socket that is %s', async (state) => {
    const socket = new FakeWebSocket();
    socket.readyState = WebSocket[state];
    const { stop } = heartbeatWs(socket, rhythm);
    onTestFinished(stop);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(socket.pings).toEqual([]);
    socket.readyState = WebSocket.OPEN;
    await vi.advanceTimersByTimeAsync(1_000);
    expect(socket.pings).toEqual(['1']);
  });

  it('goes on with the others where onDead throws', async () => {
    const sockets = [new FakeWebSocket(), new FakeWebSocket()];
    const server = Object.assign(new EventEmitter(), { clients: new Set(sockets) });
    const onDead = vi.fn(() => {
      throw new Error("the program's own");
    });
    const { stop } = heartbeatWs<FakeWebSocket>(server, { ...rhythm, onDead });
    onTestFinished(stop);
    await expect(vi.advanceTimersByTimeAsync(5_000)).rejects.toThrow("the program's own");
    expect(onDead.mock.calls).toEqual(sockets.map((socket) => [socket, expect.anything()]));
  });
});

describe('heartbeatWs', () => {
  async function pair(later: Later) {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await once(server, 'listening');
    const proxy = await deafProxy({ port: (server.address() as net.AddressInfo).port });
    const connect = async () => {
      const accepted = once(server, 'connection') as Promise<[WebSocket]>;
      const client = new WebSocket(`ws://127.0.0.1:${proxy.port}`);
      client.on('error', () => {});
      await once(client, 'open');
      const [socket] = await accepted;
      socket.on('error', () => {});
      later(() => client.terminate());
      return { client, socket };
    };
    later(() => proxy.close());
    later(() => void server.close());
    return { server, proxy, connect };
  }

  test.concurrent.for(['client', 'socket'] as const)(
    'ends a %s whose peer hangs',
    async (side, { onTestFinished }) => {
      const { connect } = await pair(onTestFinished);
      const ends = await connect();
      const target = ends[side];
      const other = ends[side === 'client' ? 'socket' : 'client'];
      const closed = once(target, 'close');
      const elapsed = await deathOf(
        onTestFinished,
        (onDead) => heartbeatWs(target, { ...rhythm, onDead }),
        // Its kernel goes on answering; the process does not.
        () => other.pause(),
      );
      await closed;
      expectInTime(elapsed);
      expect([target.listenerCount('pong'), target.readyState]).toEqual([0, WebSocket.CLOSED]);
    },
  );

  it('ends those clients of a server that are silent, with one timer', async () => {
    const { server, connect } = await pair(onTestFinished);
    const clients = await Promise.all(Array.from({ length: 5 }, connect));
    const timers = vi.spyOn(globalThis, 'setTimeout');
    const dead: WebSocket[] = [];
    const elapsed = await deathOf(
      onTestFinished,
      (onDead) =>
        heartbeatWs(server, {
          ...rhythm,
          onDead(socket) {
            dead.push(socket);
            onDead();
          },
        }),
      () => clients[2]?.client.pause(),
    );
    expectInTime(elapsed);
    // One for each beat, and one for the silence after it.
    const { calls, results } = timers.mock;
    const ours = results.filter((_, index) => calls[index]?.[0].name === 'wake');
    expect(ours.length).toBeGreaterThan(1);
    expect(ours.length).toBeLessThan(10);
    // It keeps no process alive.
    expect(ours.map(({ value }) => (value as NodeJS.Timeout).hasRef())).not.toContain(true);
    timers.mockRestore();
    expect(dead).toHaveLength(1);
    await vi.waitFor(() => expect(server.clients.size).toBe(4), { timeout: 5_000 });
    for (const client of server.clients) expect(client.listenerCount('pong')).toBeLessThanOrEqual(1);
  });

  it.concurrent('notices a peer that has vanished', async ({ onTestFinished }) => {
    const { proxy, connect } = await pair(onTestFinished);
    const { client } = await connect();
    expectInTime(
      await deathOf(
        onTestFinished,
        (onDead) => heartbeatWs(client, { ...rhythm, onDead }),
        () => proxy.vanish(),
      ),
    );
  });

  it.concurrent('ends with what it pings', async ({ onTestFinished }) => {
    const { connect } = await pair(onTestFinished);
    const { client } = await connect();
    const onDead = vi.fn();
    const ofSocket = heartbeatWs(client, { ...rhythm, onDead });
    await vi.waitFor(() => expect(ofSocket.roundTrip).toBeGreaterThan(0), { timeout: 5_000 });
    client.terminate();
    await once(client, 'close');
    await afterBeats(1);
    expect(onDead).not.toHaveBeenCalled();
    expect(client.listenerCount('pong')).toBe(0);
  });

  it('leaves no listener when it is stopped, or aborted, also amid a ping', async () => {
    const { server, connect } = await pair(onTestFinished);
    const { client, socket } = await connect();
    const before = [server, client].map((target) => target.listenerCount('close'));
    socket.pause();
    for (let round = 0; round < 12; round++) {
      const controller = new AbortController();
      const { signal } = controller;
      heartbeatWs(server, { ...rhythm, signal });
      controller.abort();
      heartbeatWs(client, rhythm).stop();
      heartbeatWs(client, { signal });
    }
    const amid = heartbeatWs(client, rhythm);
    await vi.waitFor(() => expect(client.listenerCount('pong')).toBe(1), { timeout: 5_000 });
    amid.stop();
    expect(client.listenerCount('pong')).toBe(0);
    expect([server, client].map((target) => target.listenerCount('close'))).toEqual(before);
  });

  it('refuses a server that does not track its clients', () => {
    const server = new WebSocketServer({ noServer: true, clientTracking: false });
    expect(() => heartbeatWs(server)).toThrow(/clientTracking/);
  });
});

describe('heartbeatHttp2, with a fake session on fake timers', () => {
  beforeEach(fakeTimers);

  /** Keeps its pings, or refuses them as a session does that has too many out. */
  function newSession(state: Partial<Record<'closed' | 'connecting' | 'destroyed', boolean>> = {}) {
    const answers: (() => void)[] = [];
    const session = Object.assign(new EventEmitter(), {
      closed: false,
      connecting: false,
      destroyed: false,
      ...state,
      hasRoom: true,
      socket: { bytesRead: 100 },
      ping(callback: (error: Error | null) => void) {
        if (session.hasRoom) answers.push(() => callback(null));
        else callback(new Error('too many pings'));
        return session.hasRoom;
      },
      destroy: vi.fn(),
    });
    return { session, answers };
  }

  it('leaves no timer where the session is destroyed already', () => {
    const { session } = newSession({ closed: true, destroyed: true });
    heartbeatHttp2(session);
    expect([vi.getTimerCount(), session.listenerCount('close')]).toEqual([0, 0]);
  });

  test.each(['connecting', 'closed', 'destroyed'] as const)('pings no session that is %s', async (state) => {
    const { session, answers } = newSession();
    const { stop } = heartbeatHttp2(session, rhythm);
    onTestFinished(stop);
    session[state] = true;
    await vi.advanceTimersByTimeAsync(5_000);
    expect(answers).toEqual([]);
    session[state] = false;
    await vi.advanceTimersByTimeAsync(1_000);
    expect(answers).toHaveLength(1);
  });

  it('takes what was read before the last answer for no sign of life', async () => {
    const { session, answers } = newSession();
    const { stop } = heartbeatHttp2(session, rhythm);
    onTestFinished(stop);
    session.hasRoom = false;
    await vi.advanceTimersByTimeAsync(1_050);
    session.hasRoom = true;
    session.socket.bytesRead += 10;
    await vi.advanceTimersByTimeAsync(500);
    answers[0]?.();
    await vi.advanceTimersByTimeAsync(1_400);
    expect([answers.length, session.destroy.mock.calls.length]).toEqual([2, 0]);
    await vi.advanceTimersByTimeAsync(100);
    expect(session.destroy).toHaveBeenCalledOnce();
  });

  it('takes what was read in one silence for no sign of life in the next', async () => {
    const { session } = newSession();
    const { stop } = heartbeatHttp2(session, rhythm);
    onTestFinished(stop);
    session.hasRoom = false;
    await vi.advanceTimersByTimeAsync(1_050);
    session.socket.bytesRead += 10;
    await vi.advanceTimersByTimeAsync(1_000);
    expect(session.destroy).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(2_000);
    expect(session.destroy).toHaveBeenCalledOnce();
  });
});

describe('heartbeatHttp2', () => {
  test.concurrent.for(['client', 'server'] as const)(
    'destroys a %s session whose peer is silent',
    async (side, { onTestFinished }) => {
      const server = http2.createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      const accepted = Promise.all([once(server, 'connection'), once(server, 'session')]);
      const raw = net.connect((server.address() as net.AddressInfo).port, '127.0.0.1');
      const client = http2.connect('http://127.0.0.1', { createConnection: () => raw });
      const [[acceptedRaw], [session]] = (await accepted) as [[net.Socket], [http2.ServerHttp2Session]];
      for (const each of [client, session]) each.on('error', () => {});
      onTestFinished(() => void server.close());
      onTestFinished(() => client.destroy());
      onTestFinished(() => session.destroy());

      const target = side === 'client' ? client : session;
      const peer = side === 'client' ? acceptedRaw : raw;
      const elapsed = await deathOf(
        onTestFinished,
        (onDead) => heartbeatHttp2(target, { ...rhythm, onDead }),
        () => goDark(peer),
      );
      expectInTime(elapsed);
      expect(target.destroyed).toBe(true);
    },
  );

  test.concurrent.for(['answers', 'vanishes'] as const)(
    'whose room is taken by the pings of others: a peer that %s',
    async (peer, { onTestFinished }) => {
      const server = http2.createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      const accepted = once(server, 'connection') as Promise<[net.Socket]>;
      const { port } = server.address() as net.AddressInfo;
      const session = http2.connect(`http://127.0.0.1:${port}`, { maxOutstandingPings: 1 });
      session.on('error', () => {});
      onTestFinished(() => void server.close());
      onTestFinished(() => session.destroy());
      await once(session, 'connect');
      const listeners = session.listenerCount('close');
      const [socket] = await accepted;
      const pingOn = () => {
        if (!session.destroyed) session.ping((error) => void (error ? setImmediate(pingOn) : pingOn()));
      };
      pingOn();

      const onDead = vi.fn();
      const beating = heartbeatHttp2(session, { ...rhythm, onDead });
      if (peer === 'vanishes') goDark(socket);
      await afterBeats(3);
      expect([session.destroyed, onDead.mock.calls.length]).toEqual(
        peer === 'vanishes' ? [true, 1] : [false, 0],
      );
      beating.stop();
      if (peer === 'answers') expect(session.listenerCount('close')).toBe(listeners);
    },
  );
});

describe('heartbeatPg, with a fake pool on fake timers', () => {
  beforeEach(fakeTimers);

  test.each([
    { ping: 'is answered', query: async () => {}, isRemoved: false },
    { ping: 'fails', query: () => Promise.reject(new Error('ended')), isRemoved: true },
  ])('a client whose ping $ping: put back or removed, without our listener', async ({ query, isRemoved }) => {
    const release = vi.fn<(destroy?: boolean) => void>();
    const client = Object.assign(new EventEmitter(), { query, release });
    const onDead = vi.fn();
    const { stop } = heartbeatPg({ idleCount: 1, connect: async () => client }, { ...rhythm, onDead });
    onTestFinished(stop);
    await vi.advanceTimersByTimeAsync(2_050);
    expect(release.mock.calls).toEqual([[isRemoved], [isRemoved]]);
    // One that is removed may still give an error.
    if (!isRemoved) expect(client.listenerCount('error')).toBe(0);
    expect(onDead).not.toHaveBeenCalled();
  });
});

describeWithServer('heartbeatPg', postgres, (server) => {
  async function poolBehindProxy(later: Later) {
    const { user, password, database, port } = server();
    const proxy = await deafProxy({ port });
    const pool = new pg.Pool({ host: '127.0.0.1', port: proxy.port, user, password, database, max: 4 });
    pool.on('error', () => {});
    later(() => proxy.close());
    later(() => (pool.ended ? undefined : pool.end()));
    return { pool, proxy };
  }
  const fill = (pool: pg.Pool) => Promise.all([1, 2, 3].map(() => pool.query('SELECT pg_sleep(0.1)')));

  it.concurrent('removes idle connections whose server has vanished', async ({ onTestFinished }) => {
    const { pool, proxy } = await poolBehindProxy(onTestFinished);
    await fill(pool);
    expect(pool.idleCount).toBe(3);
    const removed = vi.fn();
    const elapsed = await deathOf(
      onTestFinished,
      (onDead) =>
        heartbeatPg(pool, {
          ...rhythm,
          onDead(client) {
            removed(client);
            onDead();
          },
        }),
      () => proxy.vanish(),
    );
    expectInTime(elapsed);
    await vi.waitFor(() => expect(pool.totalCount).toBe(0), { timeout: 5_000 });
    expect(removed).toHaveBeenCalledTimes(3);
    proxy.comeBack();
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });

  it.concurrent('leaves those in use alone, opens none, and puts back what it took', async ({
    onTestFinished,
  }) => {
    const { pool, proxy } = await poolBehindProxy(onTestFinished);
    await fill(pool);
    const used = await pool.connect();
    const listeners = used.listenerCount('error');
    // Where this test fails, its server ends with the client still in use.
    used.on('error', () => {});
    const query = vi.spyOn(used, 'query');
    const opened = vi.fn();
    pool.on('connect', opened);
    const beating = heartbeatPg(pool, rhythm);
    await vi.waitFor(() => expect(beating.roundTrip).toBeGreaterThan(0), { timeout: 5_000 });
    await afterBeats(2);
    beating.stop();
    await vi.waitFor(() => expect(pool.idleCount).toBe(2), { timeout: 5_000 });
    expect(query).not.toHaveBeenCalled();
    expect(opened).not.toHaveBeenCalled();
    expect(proxy.connections.size).toBe(3);
    const client = await pool.connect();
    expect(client).not.toBe(used);
    expect(client.listenerCount('error')).toBe(listeners);
    client.release();
    used.release();
  });

  it.concurrent('survives a server that ends connections during a ping, and a pool that has ended', async ({
    onTestFinished,
  }) => {
    const { pool, proxy } = await poolBehindProxy(onTestFinished);
    await fill(pool);
    const onDead = vi.fn();
    const beating = heartbeatPg(pool, { ...rhythm, onDead });
    onTestFinished(beating.stop);
    await vi.waitFor(() => expect(beating.roundTrip).toBeGreaterThan(0), { timeout: 5_000 });
    proxy.vanish();
    await vi.waitFor(() => expect(pool.idleCount).toBe(0), { timeout: 5_000, interval: 10 });
    for (const socket of proxy.connections) socket.destroy();
    await vi.waitFor(() => expect(pool.totalCount).toBe(0), { timeout: 5_000 });
    expect(onDead).not.toHaveBeenCalled();
    proxy.comeBack();
    await fill(pool);
    await pool.end();
    await afterBeats(2);
    expect(onDead).not.toHaveBeenCalled();
  });

  it.concurrent('gives nothing to wait for when it is stopped amid a ping', async ({ onTestFinished }) => {
    const { pool, proxy } = await poolBehindProxy(onTestFinished);
    await fill(pool);
    const beating = heartbeatPg(pool, { every: 1_000, timeout: 20_000 });
    proxy.vanish();
    await vi.waitFor(() => expect(pool.idleCount).toBe(0), { timeout: 5_000 });
    beating.stop();
    await vi.waitFor(() => expect(pool.totalCount).toBe(0), { timeout: 5_000 });
  });
});

describeWithServer('heartbeatMysql2', mariadb, (server) => {
  test.concurrent.for(['mysql2', 'mysql2/promise'] as const)(
    '%s: removes idle connections whose server has vanished',
    async (flavour, { onTestFinished }) => {
      const { user, password, database, port } = server();
      const proxy = await deafProxy({ port });
      const options = { host: '127.0.0.1', port: proxy.port, user, password, database, connectionLimit: 4 };
      const pool = flavour === 'mysql2' ? mysql.createPool(options) : mysqlPromise.createPool(options);
      const queries = 'promise' in pool ? pool.promise() : pool;
      onTestFinished(() => proxy.close());
      onTestFinished(() => queries.end());
      await Promise.all([1, 2, 3].map(() => queries.query('SELECT SLEEP(0.1)')));
      const used = await queries.getConnection();
      used.connection.on('error', () => {});
      const ping = vi.spyOn(used.connection, 'ping');
      const removed = vi.fn();
      const elapsed = await deathOf(
        onTestFinished,
        (onDead) =>
          heartbeatMysql2(pool, {
            ...rhythm,
            onDead(connection) {
              removed(connection);
              onDead();
            },
          }),
        () => proxy.vanish(),
      );
      expectInTime(elapsed);
      await vi.waitFor(() => expect(removed).toHaveBeenCalledTimes(2), { timeout: 5_000 });
      expect(ping).not.toHaveBeenCalled();
      expect(proxy.connections.size).toBe(3);
      used.destroy();
      proxy.comeBack();
      const [rows] = await queries.query('SELECT 1 AS one');
      expect(rows).toEqual([{ one: 1 }]);
    },
  );
});

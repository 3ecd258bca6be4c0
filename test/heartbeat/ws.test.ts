import { EventEmitter, once } from 'node:events';
import type net from 'node:net';
import { pipeline } from 'node:stream/promises';
import { setTimeout } from 'node:timers/promises';
import { heartbeatWs, type Silence } from 'tcp-keepalive/heartbeat';
import { vanishingProxy } from 'tcp-keepalive/testing';
import { beforeEach, describe, expect, it, onTestFinished, test, vi } from 'vitest';
import { createWebSocketStream, WebSocket, WebSocketServer } from 'ws';
import {
  afterBeats,
  deathOf,
  expectInTime,
  expectLongWait,
  fakeTimers,
  LATE,
  type Later,
  rhythm,
  withResolvers,
} from '../helpers/heartbeats.ts';
import { PATIENCE } from '../helpers/patience.ts';
import { slowPath } from '../helpers/slow-path.ts';

/** A WebSocket whose pings nobody hears, and that is answered when the test says so. */
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

  it('asks after 25 s, and waits 10 s for the answer, if nothing else is asked for', async () => {
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

  it('leaves no timer after its target has closed, and none if it is closed already', () => {
    const socket = new FakeWebSocket();
    const server = Object.assign(new EventEmitter(), { clients: new Set([socket]) });
    for (const closable of [socket, server]) {
      heartbeatWs<FakeWebSocket>(closable);
      expect(vi.getTimerCount()).toBe(1);
      closable.emit('close');
      expect([vi.getTimerCount(), closable.listenerCount('close')]).toEqual([0, 0]);
    }
    socket.terminate();
    heartbeatWs(socket);
    expect([vi.getTimerCount(), socket.listenerCount('close')]).toEqual([0, 0]);
  });

  it('counts no pong but the one to its own ping', async () => {
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

  it('goes on with the others if onDead throws', async () => {
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
    const proxy = await vanishingProxy({ to: (server.address() as net.AddressInfo).port });
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
    // One for each beat, and ten for the silence after it, in which it looks whether bytes come. Other tests of this file
    // may add theirs; a timer for each of the five clients would make more than 55.
    const { calls, results } = timers.mock;
    const ours = results.filter((_, index) => calls[index]?.[0].name === '#wake');
    expect(ours.length).toBeGreaterThan(1);
    expect(ours.length).toBeLessThan(55);
    // It keeps no process alive.
    expect(ours.map(({ value }) => (value as NodeJS.Timeout).hasRef())).not.toContain(true);
    timers.mockRestore();
    expect(dead).toHaveLength(1);
    await vi.waitFor(() => expect(server.clients.size).toBe(4), { timeout: PATIENCE });
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
    await vi.waitFor(() => expect(ofSocket.roundTrip).toBeGreaterThan(0), { timeout: PATIENCE });
    client.terminate();
    await once(client, 'close');
    await afterBeats(1);
    expect(onDead).not.toHaveBeenCalled();
    expect(client.listenerCount('pong')).toBe(0);
  });

  it('leaves no listener when it is stopped or aborted, also during a ping', async () => {
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
    const during = heartbeatWs(client, rhythm);
    await vi.waitFor(() => expect(client.listenerCount('pong')).toBe(1), { timeout: PATIENCE });
    during.stop();
    expect(client.listenerCount('pong')).toBe(0);
    expect([server, client].map((target) => target.listenerCount('close'))).toEqual(before);
  });

  it('refuses a server that does not track its clients', () => {
    const server = new WebSocketServer({ noServer: true, clientTracking: false });
    expect(() => heartbeatWs(server)).toThrow(/clientTracking/);
  });
});

describe('heartbeatWs on a connection whose bytes arrive slowly', () => {
  // Longer on its way than a heartbeat of 1 000 and 1 000 ms waits for an answer.
  const MESSAGE = Buffer.alloc(4_000_000);

  async function pair(later: Later) {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await once(server, 'listening');
    const path = await slowPath(server.address() as net.AddressInfo, 1_000_000);
    const accepted = once(server, 'connection') as Promise<[WebSocket]>;
    const client = new WebSocket(`ws://127.0.0.1:${path.port}`);
    await once(client, 'open');
    const [socket] = await accepted;
    for (const end of [client, socket]) end.on('error', () => {});
    later(() => void server.close());
    later(() => path.close());
    later(() => client.terminate());
    later(() => socket.terminate());
    return { server, path, client, socket };
  }

  /** Starts a heartbeat of 1 000 and 1 000 ms that is not to find anybody dead. */
  function start(later: Later, target: WebSocket | WebSocketServer) {
    const onDead = vi.fn<(socket: WebSocket, silence: Silence) => void>();
    const beating = heartbeatWs<WebSocket>(target, { ...rhythm, onDead });
    later(beating.stop);
    return { beating, onDead };
  }

  test.concurrent.for(['an upload', 'a download'] as const)(
    'lets a peer live in the middle of %s',
    async (direction, { onTestFinished }) => {
      const { server, client, socket } = await pair(onTestFinished);
      const [from, to] = direction === 'an upload' ? [client, socket] : [socket, client];
      const started = performance.now();
      const { beating, onDead } = start(onTestFinished, direction === 'an upload' ? server : client);
      const arrived = once(to, 'message', { signal: AbortSignal.timeout(20_000) });
      from.send(MESSAGE);
      const [message] = await arrived;
      expect(message.length).toBe(MESSAGE.length);
      // The answer comes after the message that it waited behind.
      expectLongWait(performance.now() - started, rhythm);
      await vi.waitFor(() => expect(beating.roundTrip).toBeGreaterThan(0), { timeout: PATIENCE });
      expect([onDead.mock.calls, to.readyState]).toEqual([[], WebSocket.OPEN]);
    },
  );

  it.concurrent('does not give up a socket that the program has paused', async ({ onTestFinished }) => {
    const { client, socket } = await pair(onTestFinished);
    const { beating, onDead } = start(onTestFinished, socket);
    socket.pause();
    await afterBeats(4);
    expect(beating.roundTrip).toBeUndefined();
    socket.resume();
    await vi.waitFor(() => expect(beating.roundTrip).toBeGreaterThan(rhythm.timeout), { timeout: PATIENCE });
    expect([onDead.mock.calls, socket.readyState]).toEqual([[], WebSocket.OPEN]);
    client.pause();
    await vi.waitFor(() => expect(onDead).toHaveBeenCalledOnce(), { timeout: PATIENCE });
  });

  it.concurrent('does not give up a stream whose reader is slow', async ({ onTestFinished }) => {
    const { client, socket } = await pair(onTestFinished);
    const { onDead } = start(onTestFinished, socket);
    let read = 0;
    const reading = pipeline(createWebSocketStream(socket), async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) {
        read += chunk.length;
        await setTimeout(3_500);
      }
    });
    for (let messages = 0; messages < 2; messages++) client.send(Buffer.alloc(100_000));
    client.close();
    await reading;
    expect([read, onDead.mock.calls]).toEqual([200_000, []]);
  });

  it.concurrent('gives a peer up that stops in the middle of a message, and counts from its last byte', async ({
    onTestFinished,
  }) => {
    const { path, client, socket } = await pair(onTestFinished);
    client.send(MESSAGE);
    const { promise, resolve } = withResolvers<{ silence: Silence; elapsed: number }>();
    const beating = heartbeatWs(socket, {
      ...rhythm,
      onDead: (_socket, silence) => resolve({ silence, elapsed: performance.now() - path.lastDelivery }),
    });
    onTestFinished(beating.stop);
    await afterBeats(3);
    path.stall();
    const { silence, elapsed } = await promise;
    // It looks ten times in a timeout whether something has come.
    expect(elapsed).toBeGreaterThanOrEqual(rhythm.timeout - 50);
    expect(elapsed).toBeLessThan(1.1 * rhythm.timeout + LATE);
    expect(silence.duration).toBeGreaterThanOrEqual(rhythm.timeout - 50);
    expect(silence.duration).toBeLessThanOrEqual(elapsed + 50);
  });
});

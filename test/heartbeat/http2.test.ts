import { EventEmitter, once } from 'node:events';
import http2 from 'node:http2';
import net from 'node:net';
import { heartbeatHttp2 } from 'tcp-keepalive/heartbeat';
import { vanish } from 'tcp-keepalive/testing';
import { beforeEach, describe, expect, it, onTestFinished, test, vi } from 'vitest';
import {
  afterBeats,
  deathOf,
  expectInTime,
  expectLongWait,
  fakeTimers,
  rhythm,
} from '../helpers/heartbeats.ts';
import { PATIENCE } from '../helpers/patience.ts';
import { slowPath } from '../helpers/slow-path.ts';

describe('heartbeatHttp2, with a fake session on fake timers', () => {
  beforeEach(fakeTimers);

  /** A session that keeps its pings, or refuses them as a real one does that has too many out. */
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

  it('leaves no timer if the session is destroyed already', () => {
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

  it('does not take what was read before the ping as a sign of life', async () => {
    const { session, answers } = newSession();
    const { stop } = heartbeatHttp2(session, rhythm);
    onTestFinished(stop);
    session.socket.bytesRead += 10;
    await vi.advanceTimersByTimeAsync(1_900);
    expect([answers.length, session.destroy.mock.calls.length]).toEqual([1, 0]);
    await vi.advanceTimersByTimeAsync(150);
    expect(session.destroy).toHaveBeenCalledOnce();
  });

  it('does not take what was read in one silence as a sign of life in the next', async () => {
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
        () => vanish(peer),
      );
      expectInTime(elapsed);
      expect(target.destroyed).toBe(true);
    },
  );

  test.concurrent.for(['answers', 'vanishes'] as const)(
    'a session whose room is taken by the pings of others, and a peer that %s',
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
      if (peer === 'vanishes') vanish(socket);
      await afterBeats(3);
      expect([session.destroyed, onDead.mock.calls.length]).toEqual(
        peer === 'vanishes' ? [true, 1] : [false, 0],
      );
      beating.stop();
      if (peer === 'answers') expect(session.listenerCount('close')).toBe(listeners);
    },
  );
});

// More than a kernel holds, so that what comes after it waits.
const WINDOW = 16 * 1024 * 1024;

describe('heartbeatHttp2 on a connection whose bytes arrive slowly', () => {
  it('lets a peer live whose answer waits behind a download', async () => {
    const server = http2.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    server.on('stream', (stream) => {
      stream.on('error', () => {});
      stream.respond();
      stream.end(Buffer.alloc(WINDOW / 2));
    });
    const path = await slowPath(server.address() as net.AddressInfo, WINDOW / 8);
    const session = http2.connect(`http://127.0.0.1:${path.port}`, {
      settings: { initialWindowSize: WINDOW },
    });
    onTestFinished(() => void server.close());
    onTestFinished(() => path.close());
    onTestFinished(() => session.destroy());
    session.on('error', () => {});
    await once(session, 'connect');
    session.setLocalWindowSize(WINDOW);

    const onDead = vi.fn();
    const started = performance.now();
    const beating = heartbeatHttp2(session, { ...rhythm, onDead });
    onTestFinished(beating.stop);
    let read = 0;
    for await (const chunk of session.request()) read += chunk.length;
    expect(read).toBe(WINDOW / 2);
    expectLongWait(performance.now() - started, rhythm);
    await vi.waitFor(() => expect(beating.roundTrip).toBeGreaterThan(0), { timeout: PATIENCE });
    expect(onDead).not.toHaveBeenCalled();
  });
});

test.concurrent.for(['is being closed', 'has something to write'] as const)(
  'heartbeatHttp2 destroys the socket too under a session that %s',
  async (state, { onTestFinished }) => {
    const server = http2.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const accepted = Promise.all([
      once(server, 'connection'),
      once(server, 'session'),
      once(server, 'stream'),
    ]);
    const raw = net.connect((server.address() as net.AddressInfo).port, '127.0.0.1');
    const client = http2.connect('http://127.0.0.1', {
      createConnection: () => raw,
      settings: { initialWindowSize: WINDOW },
    });
    await once(client, 'connect');
    client.setLocalWindowSize(WINDOW);
    const request = client.request();
    const [[socket], [session], [stream]] = (await accepted) as [
      [net.Socket],
      [http2.ServerHttp2Session],
      [http2.ServerHttp2Stream],
    ];
    for (const each of [client, request, session, stream]) each.on('error', () => {});
    onTestFinished(() => void server.close());
    for (const end of [raw, socket]) onTestFinished(() => void end.destroy());

    const elapsed = await deathOf(
      onTestFinished,
      (onDead) => heartbeatHttp2(session, { ...rhythm, onDead }),
      () => {
        vanish(raw);
        if (state === 'has something to write') stream.write(Buffer.alloc(WINDOW - 1));
        // A session that is being closed is not pinged any more, but one ping may be out.
        else setTimeout(() => session.close(), rhythm.every + 100);
      },
    );
    expectInTime(elapsed);
    await vi.waitFor(() => expect([session.destroyed, socket.destroyed]).toEqual([true, true]), {
      timeout: 2_000,
    });
  },
);

import { once } from 'node:events';
import http2 from 'node:http2';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { getTcpInfo, type KeepAliveOptions, keepAlive, reapLostSockets, setKeepAlive } from 'tcp-keepalive';
import { vanish } from 'tcp-keepalive/testing';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { hasEnded } from '../../../src/sockets/ending.ts';
import { connectedPair } from '../../helpers/connected-pair.ts';
import { acknowledged } from '../../helpers/detection.ts';
import { PATIENCE } from '../../helpers/patience.ts';
import { tlsPair } from '../../helpers/tls-pair.ts';

// They wait for the kernel, all of them at once.
vi.setConfig({ maxConcurrency: 32 });

const EVERY = 100;
const lost = { code: 'ETIMEDOUT', errno: -110, syscall: 'read', message: 'read ETIMEDOUT' };

/** How much later than allowed a loss is noticed: two looks, and a busy machine. */
const LATE = 1_500;

const reaped: net.Socket[] = [];
const readable: net.Socket[] = [];

/** Each test's sockets are among those of all others. */
function onLost(socket: net.Socket): void {
  (socket.destroyed ? reaped : readable).push(socket);
}

const warnings: Error[] = [];
const noteWarning = (warning: Error) => void warnings.push(warning);

let stop = () => {};
beforeAll(() => {
  process.on('warning', noteWarning);
  stop = reapLostSockets({ every: EVERY, onLost });
});
afterAll(() => {
  stop();
  process.off('warning', noteWarning);
});

const closings: (() => unknown)[] = [];
afterAll(() => Promise.all(closings.map((close) => close())));

interface Ends {
  readonly socket: net.Socket;
  readonly peer: net.Socket;
}

async function pair(options: KeepAliveOptions): Promise<Ends> {
  const { client, server, close } = await connectedPair();
  closings.push(close);
  return { socket: keepAlive(client.resume(), options), peer: server.resume() };
}

/** The time that it takes until a socket ends with an error. */
async function endOf(socket: net.Socket): Promise<{ after: number; error: unknown }> {
  const begin = performance.now();
  const error = await new Promise((resolve) => socket.once('error', resolve));
  return { after: performance.now() - begin, error };
}

/** A socket with data in flight is ended once nothing was heard for as long as is allowed. */
async function expectReaped(socket: net.Socket, allowed: number): Promise<void> {
  const { after, error } = await endOf(socket);
  expect(error).toMatchObject(lost);
  expectAfter(after, allowed);
}

function expectAfter(after: number, allowed: number): void {
  expect(after).toBeGreaterThanOrEqual(allowed - 20);
  expect(after).toBeLessThan(allowed + LATE);
}

// The kernel alone would take 15 minutes for each of these.
const unbounded = { initialDelay: 1_000, interval: 1_000, count: 1, userTimeout: 0 } as const;
const ALLOWED = 2_000;

describe.runIf(process.platform === 'linux').concurrent('with data in flight', () => {
  test('a socket without a user timeout ends after initialDelay + interval * count', async () => {
    const { socket, peer } = await pair(unbounded);
    vanish(socket, peer);
    socket.write('query');
    const { after, error } = await endOf(socket);
    expect(error).toMatchObject(lost);
    expectAfter(after, ALLOWED);
    expect(reaped.filter((each) => each === socket)).toEqual([socket]);
    expect(socket.errored).toBe(error);
  });

  test('so does one of TLS, and one on which TLS was started', async () => {
    const ends = await Promise.all([
      tlsPair(),
      tlsPair('127.0.0.1', (port) => keepAlive(net.connect(port, '127.0.0.1'), unbounded)),
    ]);
    const [direct] = ends;
    keepAlive(direct.client, unbounded);
    for (const { client, server, close } of ends) {
      closings.push(close);
      await acknowledged([client, server]);
      vanish(client, server);
      client.write('query');
      await expectReaped(client, ALLOWED);
    }
  });

  test('so does one of TLS that a server accepted, of which the caller hears', async () => {
    const { client, server, close } = await tlsPair();
    closings.push(close);
    keepAlive(server, unbounded);
    await acknowledged([client, server]);
    vanish(server, client);
    server.write('answer');
    await expectReaped(server, ALLOWED);
    expect(reaped.filter((each) => each === server)).toEqual([server]);
  });

  test('so does one whose handle does not count what was written, as on Deno', async () => {
    const { socket, peer } = await pair(unbounded);
    const { _handle: handle } = socket as unknown as { _handle: object };
    for (const count of ['bytesRead', 'bytesWritten'])
      Object.defineProperty(handle, count, { value: undefined });
    // It has been found to be clear before.
    await sleep(5 * EVERY);
    vanish(socket, peer);
    socket.write('query');
    expect((await endOf(socket)).error).toMatchObject(lost);
  });

  test('so does an http2 session, with its requests', async () => {
    const server = http2.createServer((_request, response) => void response.end('answer'));
    server.on('session', (session) => session.on('error', () => {}));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    closings.push(() => server.close());
    const session = http2.connect(`http://127.0.0.1:${(server.address() as net.AddressInfo).port}`);
    closings.push(() => session.destroy());
    const failed = once(session, 'error').catch((error: unknown) => [error]);
    await once(session, 'connect');
    keepAlive(session.socket as net.Socket, unbounded);
    const request = session.request().on('error', () => {});
    await once(request.resume(), 'close');
    vanish(session.socket as net.Socket);
    session.request().on('error', () => {});
    expect(await failed).toMatchObject([lost]);
  });

  test('so does one whose peer has sent all, and vanishes before it has read all', async () => {
    const { socket, peer } = await pairHalfOpen(unbounded);
    peer.end();
    await once(socket.resume(), 'end');
    await acknowledged([socket, peer]);
    vanish(socket, peer);
    socket.write('query');
    await expectReaped(socket, ALLOWED);
  });

  test('one that is only set is left alone', async () => {
    const { client, server, close } = await connectedPair();
    closings.push(close);
    setKeepAlive(client, unbounded);
    vanish(client, server);
    client.write('query');
    await sleep(ALLOWED + LATE);
    expect(client.destroyed).toBe(false);
  });

  test('one whose options say no time is left alone', async () => {
    const { socket, peer } = await pair({ enable: true, initialDelay: 1_000 });
    vanish(socket, peer);
    socket.write('query');
    await sleep(ALLOWED + LATE);
    expect(socket.destroyed).toBe(false);
  });

  test('one whose hold was ended is left alone', async () => {
    const { socket, peer } = await pair(unbounded);
    keepAlive(socket, false);
    vanish(socket, peer);
    socket.write('query');
    await sleep(ALLOWED + LATE);
    expect(socket.destroyed).toBe(false);
  });

  test('a peer that answers late, after a silence that was longer than allowed, is not ended', async () => {
    const { socket, peer } = await pair(unbounded);
    await sleep(ALLOWED + 1_000);
    const restore = vanish(socket, peer);
    socket.write('query');
    await sleep(5 * EVERY);
    const { unacked, lastAckReceived } = getTcpInfo(socket);
    expect(unacked).toBe(1);
    expect(lastAckReceived).toBeGreaterThan(500);
    restore();
    await sleep(ALLOWED);
    expect(socket.destroyed).toBe(false);
    expect(getTcpInfo(socket).unacked).toBe(0);
  });

  test('a peer that is slow but answers is not ended, and gets all', async () => {
    const { socket, peer } = await pair({ ...unbounded, initialDelay: 1_000, interval: 1_000 });
    const bytes = 20_000_000;
    peer.pause();
    let got = 0;
    peer.on('data', (chunk: Buffer) => {
      got += chunk.length;
    });
    peer.pause();
    socket.write(Buffer.alloc(bytes));
    // Window probes come after 0.2, 0.4, 0.8, 1.6, 3.2 and 6.4 s by now: their answers are further apart than is allowed.
    let silence = 0;
    while (silence < ALLOWED + 1_000 && !socket.destroyed) {
      await sleep(50);
      silence = Math.max(silence, getTcpInfo(socket).lastAckReceived ?? 0);
    }
    expect(socket.destroyed).toBe(false);
    peer.resume();
    while (got < bytes && !socket.destroyed) await sleep(20);
    expect(got).toBe(bytes);
  });

  test('one whose peer vanishes while its window is closed ends', async () => {
    const { socket, peer } = await pair(unbounded);
    peer.pause();
    socket.write(Buffer.alloc(20_000_000));
    await sleep(1_000);
    vanish(socket, peer);
    const { after, error } = await endOf(socket);
    expect(error).toMatchObject(lost);
    expect(after).toBeGreaterThan(ALLOWED);
    expect(after).toBeLessThan(20_000);
  });

  test('while bytes are unread, only onLost is called; it ends once they are read', async () => {
    const { socket, peer } = await pair(unbounded);
    socket.pause();
    peer.write('unread');
    while (socket.readableLength === 0) await sleep(10);
    await acknowledged([peer]);
    vanish(socket, peer);
    socket.write('query');
    while (!readable.includes(socket)) await sleep(10);
    await sleep(5 * EVERY);
    expect(socket.destroyed).toBe(false);
    expect(readable.filter((each) => each === socket)).toEqual([socket]);
    const ended = endOf(socket);
    expect(String(socket.read())).toBe('unread');
    const { after, error } = await ended;
    expect(error).toMatchObject(lost);
    expect(after).toBeLessThan(LATE);
  });
});

const probed = { initialDelay: 1_000, interval: 1_000, count: 2, userTimeout: 'auto' } as const;

/** What a socket says from now on until it is closed. */
async function outcome(socket: net.Socket): Promise<{ ended: boolean; bytes: number; error: unknown }> {
  const result = { ended: false, bytes: 0, error: undefined as unknown };
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.on('error', (error) => Object.assign(result, { error }));
  socket.on('end', () => Object.assign(result, { ended: true }));
  socket.on('data', (chunk: Buffer) => {
    result.bytes += chunk.length;
  });
  socket.resume();
  await closed;
  return result;
}

/** A held socket that reads nothing, as a server's with `pauseOnConnect`. */
async function paused(options: KeepAliveOptions = probed): Promise<Ends> {
  const server = net.createServer({ pauseOnConnect: true, allowHalfOpen: true });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const accepted = once(server, 'connection') as Promise<[net.Socket]>;
  const peer = net.connect({
    port: (server.address() as net.AddressInfo).port,
    host: '127.0.0.1',
    allowHalfOpen: true,
  });
  peer.on('error', () => {});
  await once(peer, 'connect');
  const [socket] = await accepted;
  socket.on('error', () => {});
  closings.push(() => {
    peer.destroy();
    socket.destroy();
    server.close();
  });
  return { socket: keepAlive(socket, options), peer };
}

const UNREAD = 50_000;

describe.runIf(process.platform === 'linux').concurrent('a socket that cannot hear of its death', () => {
  test('ends with the error if it is paused', async () => {
    const begun = performance.now();
    const { socket, peer } = await paused();
    vanish(socket, peer);
    const { after, error } = await endOf(socket);
    expect(error).toMatchObject(lost);
    expect(performance.now() - begun).toBeGreaterThan(2_500);
    expect(after).toBeLessThan(3_500 + LATE);
    expect(reaped).toContain(socket);
  });

  test('ends with the error of a reset if it is paused', async () => {
    const { socket, peer } = await paused();
    const ended = endOf(socket);
    peer.resetAndDestroy();
    expect((await ended).error).toMatchObject({ code: 'ECONNRESET', syscall: 'read' });
  });

  test('ends with the error if it is half-open', async () => {
    const { socket, peer } = await pairHalfOpen();
    peer.end();
    await once(socket.resume(), 'end');
    await acknowledged([socket, peer]);
    vanish(socket, peer);
    expect((await endOf(socket)).error).toMatchObject(lost);
  });

  test('keeps 50 kB that are unread in the kernel, and its error after them', async () => {
    const { socket, peer } = await paused();
    peer.write(Buffer.alloc(UNREAD));
    await acknowledged([peer]);
    vanish(socket, peer);
    while (!readable.includes(socket)) await sleep(10);
    await sleep(5 * EVERY);
    expect(getTcpInfo(socket).state).toBe('CLOSE');
    expect(readable.filter((each) => each === socket)).toEqual([socket]);
    expect(await outcome(socket)).toEqual({
      ended: false,
      bytes: UNREAD,
      error: expect.objectContaining(lost),
    });
  });

  test('keeps those that are unread in Node, and its error after them', async () => {
    const { socket, peer } = await pair(probed);
    socket.pause();
    peer.write(Buffer.alloc(1_000_000));
    while (socket.bytesRead === 0 || (getTcpInfo(socket).lastDataReceived ?? 0) < 300) await sleep(10);
    vanish(socket, peer);
    while (!readable.includes(socket)) await sleep(10);
    const length = socket.readableLength;
    expect(length).toBeGreaterThan(0);
    const { bytes, ended, error } = await outcome(socket);
    expect({ ended, error }).toEqual({ ended: false, error: expect.objectContaining(lost) });
    expect(bytes).toBeGreaterThanOrEqual(length);
  });

  test.each(['the peer', 'the socket'])('is not ended by an orderly end, first of %s', async (first) => {
    const { socket, peer } = await paused();
    const ends = [peer, socket].toSorted((one) => (one === (first === 'the peer' ? peer : socket) ? -1 : 1));
    for (const end of ends) {
      end.end(end === peer ? Buffer.alloc(UNREAD) : 'the last');
      await acknowledged([end]);
    }
    peer.resume();
    while (getTcpInfo(socket).state !== 'CLOSE') await sleep(10);
    await sleep(5 * EVERY);
    expect(readable).not.toContain(socket);
    expect(await outcome(socket)).toEqual({ ended: true, bytes: UNREAD, error: undefined });
  });

  test('ends in order if it was given up after the end of its peer, which is unread', async () => {
    const { socket, peer } = await paused();
    peer.end(Buffer.alloc(UNREAD));
    while (getTcpInfo(socket).state !== 'CLOSE_WAIT') await sleep(10);
    vanish(socket, peer);
    while (getTcpInfo(socket).state !== 'CLOSE') await sleep(10);
    await sleep(5 * EVERY);
    expect(await outcome(socket)).toMatchObject({ ended: true, bytes: UNREAD });
  });

  test('ends in order if its user has read all by its exact length, and with its error after that end', async () => {
    const { socket, peer } = await pairHalfOpen();
    peer.end(Buffer.alloc(100));
    await vi.waitUntil(() => hasEnded(socket) && socket.readableLength === 100, PATIENCE);
    expect(socket.read(100)).toHaveLength(100);
    vanish(socket, peer);
    while (getTcpInfo(socket).state !== 'CLOSE') await sleep(10);
    await sleep(5 * EVERY);
    expect([...readable, ...reaped]).not.toContain(socket);
    expect(await outcome(socket)).toEqual({
      ended: true,
      bytes: 0,
      error: expect.objectContaining(lost),
    });
  });

  test('ends in order, and nobody hears of a loss, if only that end is unread', async () => {
    const { socket, peer } = await paused();
    peer.end();
    while (getTcpInfo(socket).state !== 'CLOSE_WAIT') await sleep(10);
    vanish(socket, peer);
    while (getTcpInfo(socket).state !== 'CLOSE') await sleep(10);
    await sleep(5 * EVERY);
    expect([...readable, ...reaped]).not.toContain(socket);
    expect(await outcome(socket)).toMatchObject({ ended: true, bytes: 0 });
    expect(warnings).toEqual([]);
  });
});

async function pairHalfOpen(options: KeepAliveOptions = probed): Promise<Ends> {
  const server = net.createServer({ allowHalfOpen: true });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const accepted = once(server, 'connection') as Promise<[net.Socket]>;
  const { port } = server.address() as net.AddressInfo;
  const client = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true }).on('error', () => {});
  await once(client, 'connect');
  const [peer] = await accepted;
  peer.on('error', () => {});
  closings.push(() => {
    client.destroy();
    peer.destroy();
    server.close();
  });
  return { socket: keepAlive(client, options), peer };
}

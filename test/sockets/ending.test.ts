import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import tls from 'node:tls';
import { getTcpInfo, installKeepAlive, type KeepAliveRule, keepAlive, keepAliveServer } from 'tcp-keepalive';
import { expectDetection, vanish } from 'tcp-keepalive/testing';
import { afterAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { parseKeepAliveOptions } from '../../src/options/parse.ts';
import { hidesErrors } from '../../src/sockets/ending.ts';
import type { TcpHandle } from '../../src/sockets/handle.ts';
import { holdSocket } from '../../src/sockets/hold.ts';
import { DRIVER } from '../../src/sockets/hold-record.ts';
import { connectedPair } from '../helpers/connected-pair.ts';
import { acknowledged } from '../helpers/detection.ts';
import { handleOf } from '../helpers/handle-of.ts';
import { portOf } from '../helpers/listen.ts';
import { packageOn } from '../helpers/package-on.ts';
import { PATIENCE } from '../helpers/patience.ts';
import { streamOver } from '../helpers/stream-over.ts';
import { certificate, certificateKey } from '../helpers/test-certificate.ts';
import { tlsPair } from '../helpers/tls-pair.ts';

// They wait for the kernel, all of them at once.
vi.setConfig({ maxConcurrency: 16 });

const options = { initialDelay: 1_000, interval: 1_000, count: 2, userTimeout: 'auto' } as const;

// Node reads 64 KiB before it stops for a reader that is paused. The rest of this still fits into the kernel.
const SENT = 100_000;
// Of this, a part stays with the peer.
const MORE = 1_000_000;

const lost = { code: 'ETIMEDOUT', errno: -110, syscall: 'read', message: 'read ETIMEDOUT' };

// Tests that run at once cannot say when each of them has finished.
const closings: (() => unknown)[] = [];
afterAll(() => Promise.all(closings.map((close) => close())));

interface Ends {
  readonly reader: net.Socket;
  readonly peer: net.Socket;
}

/** Makes the peer of a paused socket vanish, and waits until the kernel has given the connection up. */
async function giveUp({ reader, peer }: Ends): Promise<void> {
  vanish(reader, peer);
  await expectDetection(untilGivenUp(reader), options, { state: 'idle', socket: reader });
}

async function untilGivenUp(socket: net.Socket): Promise<void> {
  while (getTcpInfo(socket).state !== 'CLOSE') await sleep(10);
}

/** Has the peer of a paused socket send something, of which some stays unread. */
async function receiveUnread({ reader, peer }: Ends, bytes = MORE): Promise<void> {
  reader.pause();
  peer.write(Buffer.alloc(bytes));
  while (reader.bytesRead === 0 || !isQuiet(reader)) await sleep(10);
}

/** Whether all has arrived that could be sent. */
const isQuiet = (socket: net.Socket) => (getTcpInfo(socket).lastDataReceived ?? 0) > 100;

/** What a socket says from now on until it is closed. */
async function outcome(socket: net.Socket): Promise<{ ended: boolean; bytes: number; error: unknown }> {
  const result = { ended: false, bytes: 0, error: undefined as unknown };
  socket.on('error', (error) => {
    result.error = error;
  });
  socket.on('end', () => {
    result.ended = true;
  });
  socket.on('data', (chunk: Buffer) => {
    result.bytes += chunk.length;
  });
  const closed = once(socket, 'close').catch(() => once(socket, 'close'));
  socket.resume();
  await closed;
  return result;
}

async function plain(): Promise<Ends> {
  const { client, server, close } = await connectedPair();
  closings.push(close);
  return { reader: keepAlive(client, options), peer: server };
}

async function overTls(): Promise<Ends> {
  const { client, server, close } = await tlsPair();
  closings.push(close);
  return { reader: keepAlive(client, options), peer: server };
}

/** As a driver module does that finds the socket on which the connection was held, and later the one that is read. */
async function startedOnHeld(): Promise<Ends> {
  const { client, server, close } = await tlsPair('127.0.0.1', (port) =>
    keepAlive(net.connect(port, '127.0.0.1'), options),
  );
  closings.push(close);
  holdSocket(client, { settings: parseKeepAliveOptions('database'), rank: DRIVER });
  return { reader: client, peer: server };
}

const kinds: readonly { kind: string; open: () => Promise<Ends> }[] = [
  { kind: 'a held socket', open: plain },
  { kind: 'TLS', open: overTls },
  { kind: 'TLS that was started on a held socket', open: startedOnHeld },
];

const servers: readonly (() => net.Server)[] = [
  () => net.createServer(),
  () => tls.createServer({ cert: certificate, key: certificateKey }),
];

const coverings: readonly { by: string; cover: (server: net.Server) => void }[] = [
  { by: 'keepAliveServer', cover: (server) => void keepAliveServer(server, options) },
  { by: 'a rule', cover: () => install({ side: 'server', use: options }) },
  { by: 'a rule that looks at the peer', cover: () => install({ host: '127.0.0.1', use: options }) },
];

function install(rule: KeepAliveRule): void {
  onTestFinished(installKeepAlive([rule]));
}

async function acceptedOn(server: net.Server): Promise<Ends> {
  const isTls = server instanceof tls.Server;
  const accepted = once(server, isTls ? 'secureConnection' : 'connection') as Promise<[net.Socket]>;
  const port = await listenUntilClosed(server);
  const peer = isTls
    ? tls.connect({ port, host: '127.0.0.1', ca: certificate, servername: 'localhost' })
    : net.connect(port, '127.0.0.1');
  closings.push(() => peer.destroy());
  peer.on('error', () => {});
  return { reader: (await accepted)[0], peer };
}

/** Gives the port. */
async function listenUntilClosed(server: net.Server): Promise<number> {
  const accepted: net.Socket[] = [];
  server.on('connection', (socket) => accepted.push(socket.on('error', () => {})));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  closings.push(() => {
    for (const socket of accepted) socket.destroy();
    server.close();
  });
  return portOf(server);
}

describe('Node hides errors', () => {
  test.each([
    { platform: 'linux', uv: '1.9.1', hides: true },
    { platform: 'linux', uv: '1.46.0', hides: true },
    { platform: 'darwin', uv: '1.51.0', hides: true },
    { platform: 'linux', uv: '1.52.0', hides: false },
    { platform: 'linux', uv: '1.100.0', hides: false },
    { platform: 'linux', uv: '2.46.0', hides: false },
    { platform: 'linux', uv: undefined, hides: false },
    { platform: 'win32', uv: '1.46.0', hides: false },
  ])('on $platform with libuv $uv: $hides', async ({ platform, uv, hides }) => {
    const own = Object.getOwnPropertyDescriptor(process, 'versions') ?? {};
    Object.defineProperty(process, 'versions', { ...own, value: { ...process.versions, uv } });
    onTestFinished(() => void Object.defineProperty(process, 'versions', own));
    await packageOn(platform);
    expect(await import('../../src/sockets/ending.ts')).toHaveProperty('hidesErrors', hides);
  });
});

describe.runIf(process.platform === 'linux')('on the handle of a held socket, Node', () => {
  test('finds its own reading function', async () => {
    const { reader } = await plain();
    expect(handleOf(reader)).toHaveProperty('onread', expect.objectContaining({ name: 'onStreamRead' }));
  });

  test('exchanges it', async () => {
    const { reader, peer } = await plain();
    const handle = handleOf(reader) as TcpHandle;
    const onread = vi.fn();
    handle.onread = onread;
    expect(handle.onread).toBe(onread);
    peer.write('what the other function reads');
    await vi.waitUntil(() => onread.mock.calls.length > 0, PATIENCE);
    expect(onread.mock.contexts).toEqual([handle]);
    expect(reader.readableLength).toBe(0);
  });
});

describe.runIf(process.platform === 'linux').concurrent('a connection given up with bytes unread', () => {
  test.for(kinds)('is an error to a paused reader: $kind', async ({ open }) => {
    const ends = await open();
    await receiveUnread(ends);
    await giveUp(ends);
    expect(await outcome(ends.reader)).toMatchObject({ ended: false, error: lost });
  });

  test.for(kinds)('fails a pipeline into a slow writer: $kind', async ({ open }) => {
    const ends = await open();
    const { promise, resolve } = withResolvers();
    let got = 0;
    const slow = new Writable({
      highWaterMark: 1,
      write(chunk: Buffer, _, done) {
        got += chunk.length;
        void promise.then(() => done());
      },
    });
    const piped = pipeline(ends.reader, slow).catch((error: unknown) => error);
    ends.peer.write(Buffer.alloc(MORE));
    while (got === 0) await sleep(10);
    await sleep(300);
    await giveUp(ends);
    resolve();
    expect(await piped).toMatchObject(lost);
    expect(got).toBeLessThan(MORE);
  });

  test('fails an asynchronous iteration', async () => {
    const ends = await plain();
    await receiveUnread(ends);
    await giveUp(ends);
    const read = async () => {
      for await (const _ of ends.reader);
    };
    await expect(read()).rejects.toMatchObject(lost);
  });

  test('is an error to a socket that is read into a buffer of its user', async () => {
    const server = net.createServer();
    const port = await listenUntilClosed(server);
    const accepted = once(server, 'connection') as Promise<[net.Socket]>;
    let bytes = 0;
    const callback = (length: number) => {
      bytes += length;
      return bytes > 1_000;
    };
    const buffer = new Uint8Array(1_000);
    const reader = keepAlive(net.connect({ port, host: '127.0.0.1', onread: { buffer, callback } }), options);
    closings.push(() => reader.destroy());
    const [peer] = await accepted;
    // The last buffer is filled in part only: a full one has libuv read on, and hear of the error.
    peer.write(Buffer.alloc(SENT + 1));
    while (bytes === 0) await sleep(10);
    await acknowledged([peer]);
    await giveUp({ reader, peer });
    const error = once(reader, 'error');
    reader.resume();
    expect(await error).toMatchObject([lost]);
    expect(bytes).toBe(SENT + 1);
  });

  // Node's http takes whatever came of such a body for the whole, also after an error, which the request alone tells.
  test('fails an http request whose response has no length', async () => {
    const { port, peerOf } = await httpPeer();
    const request = http.get({ port, host: '127.0.0.1', agent: false });
    request.on('socket', (socket: net.Socket) => void keepAlive(socket, options));
    await failsWithoutLength(request, await peerOf());
  });

  // While an agent keeps the socket, Node 22 exchanges the function that reads from it.
  test.each([
    { held: 'before it was free', when: 'socket' },
    { held: 'while it was free', when: 'free' },
  ] as const)('fails it on a socket that an agent has used before, held $held', async ({ when }) => {
    const { port, peerOf } = await httpPeer();
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    closings.push(() => agent.destroy());
    const first = http.get({ port, host: '127.0.0.1', agent });
    const [socket] = (await once(first, 'socket')) as [net.Socket];
    if (when === 'socket') keepAlive(socket, options);
    const peer = await peerOf();
    peer.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    const [response] = (await once(first, 'response')) as [http.IncomingMessage];
    response.resume();
    await once(response, 'close');
    while (Object.keys(agent.freeSockets).length === 0) await sleep(1);
    if (when === 'free') keepAlive(socket, options);
    const second = http.get({ port, host: '127.0.0.1', agent });
    expect((await once(second, 'socket'))[0]).toBe(socket);
    await failsWithoutLength(second, peer);
  });

  async function httpPeer(): Promise<{ port: number; peerOf: () => Promise<net.Socket> }> {
    const server = net.createServer();
    const port = await listenUntilClosed(server);
    const accepted = once(server, 'connection') as Promise<[net.Socket]>;
    return { port, peerOf: async () => (await accepted)[0] };
  }

  async function failsWithoutLength(request: http.ClientRequest, peer: net.Socket): Promise<void> {
    const errors: Error[] = [];
    request.on('error', (error) => errors.push(error));
    closings.push(() => request.destroy());
    peer.write('HTTP/1.1 200 OK\r\n\r\n');
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    const ends = { reader: response.socket, peer };
    await receiveUnread(ends);
    await giveUp(ends);
    ends.reader.resume();
    await pipeline(response, nowhere());
    if (!request.closed) await once(request, 'close');
    expect(errors).toMatchObject([lost]);
  }
});

describe.runIf(process.platform === 'linux')('a connection given up with bytes unread', () => {
  test.each(coverings)('is an error on a server, by $by', async ({ cover }) => {
    const errorOnServer = async (server: net.Server) => {
      cover(server);
      const ends = await acceptedOn(server);
      await receiveUnread(ends);
      await giveUp(ends);
      expect(await outcome(ends.reader)).toMatchObject({ ended: false, error: lost });
    };
    await Promise.all(servers.map((newServer) => errorOnServer(newServer())));
  });
});

describe.runIf(process.platform === 'linux').concurrent('an orderly end stays an end', () => {
  test.for(kinds)('with bytes unread: $kind', async ({ open }) => {
    const { reader, peer } = await open();
    reader.pause();
    peer.end(Buffer.alloc(SENT));
    while (getTcpInfo(reader).state !== 'CLOSE_WAIT') await sleep(10);
    expect(await outcome(reader)).toEqual({ ended: true, bytes: SENT, error: undefined });
  });

  test('even if the connection is given up before it is read', async () => {
    const ends = await plain();
    ends.reader.pause();
    ends.peer.end(Buffer.alloc(SENT));
    while (getTcpInfo(ends.reader).state !== 'CLOSE_WAIT') await sleep(10);
    await giveUp(ends);
    expect(await outcome(ends.reader)).toMatchObject({ ended: true, bytes: SENT });
  });

  test('of TLS whose connection has not ended', async () => {
    const { client, server, close } = await connectedPair();
    closings.push(close);
    const peer = new tls.TLSSocket(streamOver(server), {
      isServer: true,
      cert: certificate,
      key: certificateKey,
    });
    const reader = keepAlive(
      tls.connect({ socket: client, ca: certificate, servername: 'localhost' }),
      options,
    );
    await once(reader, 'secureConnect');
    peer.end('the last of it');
    expect(await outcome(reader)).toEqual({ ended: true, bytes: 14, error: undefined });
    expect(server.readableEnded).toBe(false);
  });

  test('for a pipeline', async () => {
    const { reader, peer } = await plain();
    peer.end(Buffer.alloc(MORE));
    await pipeline(reader, nowhere());
    expect(reader.bytesRead).toBe(MORE);
  });
});

test.skipIf(hidesErrors)('a Node that reports the error keeps its own handles', async () => {
  const { reader } = await plain();
  const accepted = await acceptedOn(keepAliveServer(net.createServer(), options));
  for (const socket of [reader, accepted.reader]) {
    expect(Object.hasOwn(handleOf(socket), 'onread')).toBe(false);
  }
});

function nowhere(): Writable {
  return new Writable({ write: (_chunk, _encoding, done) => done() });
}

function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {};
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

describe.runIf(process.platform === 'linux')(
  'bytes that come unasked to a socket which an agent keeps',
  () => {
    /** What the next request gets after such bytes, and whether on the same connection. */
    async function nextAnswer(isHeld: boolean): Promise<{ body: string; connections: number }> {
      let connections = 0;
      const server = net.createServer((peer) => {
        const name = ++connections;
        peer.on('data', () => peer.write(`HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n${name}`));
        peer.on('error', () => {});
        if (name === 1) first.resolve(peer);
      });
      const first = { resolve: (_peer: net.Socket) => {} };
      const accepted = new Promise<net.Socket>((resolve) => {
        first.resolve = resolve;
      });
      const port = await listenUntilClosed(server);
      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
      closings.push(() => agent.destroy());
      const answer = async () => {
        const request = http.get({ port, host: '127.0.0.1', agent });
        if (isHeld) request.on('socket', (socket: net.Socket) => void keepAlive(socket, options));
        const [response] = (await once(request, 'response')) as [http.IncomingMessage];
        return (await response.toArray()).join('');
      };
      await answer();
      while (Object.keys(agent.freeSockets).length === 0) await sleep(1);
      const [socket] = Object.values(agent.freeSockets).flat() as [net.Socket];
      const before = socket.bytesRead;
      (await accepted).write('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nX');
      while (!socket.destroyed && socket.bytesRead === before) await sleep(1);
      const body = await answer();
      return { body, connections };
    }

    test('are what they are without a hold: on Node 22 the end of the connection', async () => {
      expect(await nextAnswer(true)).toEqual(await nextAnswer(false));
    });
  },
);

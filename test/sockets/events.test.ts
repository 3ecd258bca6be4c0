import { once } from 'node:events';
import net from 'node:net';
import { constants } from 'node:os';
import tls from 'node:tls';
import {
  getTcpInfo,
  installKeepAlive,
  keepAlive,
  keepAliveFor,
  keepAliveServer,
  presets,
  setKeepAlive,
} from 'tcp-keepalive';
import { vanish } from 'tcp-keepalive/testing';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { optionNames } from '../../src/options/options.ts';
import { parseKeepAliveOptions } from '../../src/options/parse.ts';
import { predictDetection } from '../../src/predict/predict.ts';
import { peerOf } from '../../src/sockets/peer.ts';
import { connectedPair } from '../helpers/connected-pair.ts';
import { connection, pair, unixConnection } from '../helpers/connection.ts';
import { acknowledged } from '../helpers/detection.ts';
import { idleAMoment } from '../helpers/driver-under-test.ts';
import { failCallsOf } from '../helpers/fail-calls.ts';
import { heard } from '../helpers/heard.ts';
import { hideDescriptor } from '../helpers/hide-descriptor.ts';
import { http2Session } from '../helpers/http2-session.ts';
import { portOf } from '../helpers/listen.ts';
import { runFixture } from '../helpers/run-fixture.ts';
import { certificate, certificateKey } from '../helpers/test-certificate.ts';
import { tlsPair } from '../helpers/tls-pair.ts';

// They wait for the kernel, all of them at once.
vi.setConfig({ maxConcurrency: 16 });

const quick = { initialDelay: 1_000, interval: 1_000, count: 2, userTimeout: 'auto' } as const;
const onLinux = describe.runIf(process.platform === 'linux');

describe('tcp-keepalive:set', () => {
  test('tells who has set what', async () => {
    const messages = heard('set');
    const socket = await connection();
    setKeepAlive(socket, { interval: 7_000 });
    keepAliveFor('my-client', socket, 'database');
    keepAlive(socket, 'fastFailover');
    expect(messages.of(socket)).toEqual([
      {
        socket,
        by: { rank: 'explicit', name: 'setKeepAlive' },
        options: { interval: 7_000, enable: true },
        held: false,
      },
      // The library's call came after an explicit one, which stays.
      {
        socket,
        by: { rank: 'explicit', name: 'keepAlive' },
        options: parseKeepAliveOptions('fastFailover'),
        held: true,
      },
    ]);
  });

  test('tells of each attempt of a connection under a rule, with the rule', async () => {
    const messages = heard('set');
    const listener = net.createServer((socket) => socket.resume());
    await once(listener.listen(0, '127.0.0.1'), 'listening');
    const port = portOf(listener);
    const uninstall = installKeepAlive([{ side: 'client', port, use: 'database' }]);
    const socket = net.connect(port, '127.0.0.1');
    await once(socket, 'connect');
    uninstall();
    socket.destroy();
    listener.close();
    expect(messages.of(socket)).toMatchObject([
      {
        by: { rank: 'rule', name: `${port}=database` },
        options: parseKeepAliveOptions('database'),
        held: true,
      },
    ]);
  });

  test('says nothing of a call that failed', async () => {
    const messages = heard('set');
    const { client } = await pair();
    client.destroy();
    expect(() => setKeepAlive(client, 'database')).toThrow();
    expect(messages.of(client)).toEqual([]);
  });
});

describe('tcp-keepalive:restored', () => {
  test("tells of Node's own call, and whether it reached the kernel", async () => {
    const messages = heard('restored');
    const socket = await connection();
    keepAlive(socket, 'database');
    socket.setKeepAlive(true, 60_000);
    keepAlive(socket, { initialDelay: 5_000, userTimeout: 30_000 });
    socket.setKeepAlive(true, 1_000);
    const by = { rank: 'explicit', name: 'keepAlive' };
    expect(messages.of(socket)).toEqual([
      { socket, by, options: parseKeepAliveOptions('database'), reached: false },
      {
        socket,
        by,
        options: expect.objectContaining({ initialDelay: 5_000, userTimeout: 30_000 }),
        reached: true,
      },
    ]);
  });

  test('says nothing of a call without a hold, nor after one has ended', async () => {
    const messages = heard('restored');
    const socket = await connection();
    socket.setKeepAlive(true, 60_000);
    keepAlive(socket, 'database');
    keepAlive(socket, false);
    socket.setKeepAlive(false);
    expect(messages.of(socket)).toEqual([]);
  });
});

describe('tcp-keepalive:skipped', () => {
  test('tells of a socket that cannot have the options, and why', async () => {
    const messages = heard('skipped');
    const socket = await unixConnection();
    keepAlive(socket, 'fastFailover', { onError() {} });
    expect(messages.of(socket)).toMatchObject([
      {
        by: { rank: 'explicit', name: 'keepAlive' },
        skipped: expect.arrayContaining(Object.keys(presets.fastFailover)),
        error: { code: 'ERR_KEEPALIVE_NOT_TCP' },
      },
    ]);
  });
});

describe("tcp-keepalive:skipped, of Node's own call", () => {
  test.each([
    {
      by: 'keepAlive',
      ask: (socket: net.Socket) => void keepAlive(socket, { count: 3, userTimeout: 5_000 }),
    },
    {
      by: 'setKeepAlive',
      ask: (socket: net.Socket) => void setKeepAlive(socket, { count: 3, userTimeout: 5_000 }),
    },
  ])('tells what it could not set, also if nobody wants to hear what was set: $by', async ({ by, ask }) => {
    const messages = heard('skipped');
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    onTestFinished(() => warn.mockRestore());
    const socket = await connection();
    hideDescriptor(socket);
    ask(socket);
    expect(messages.of(socket)).toMatchObject([{ by: { name: by } }]);
    // Node accepts a count only with a delay and an interval.
    expect(messages.of(socket)[0]?.skipped).toEqual(['count', 'userTimeout']);
    expect(messages.of(socket)[0]).not.toHaveProperty('error');
  });

  test('is about nothing if nothing was asked for', async () => {
    const messages = heard('skipped');
    const onError = vi.fn();
    keepAlive({} as net.Socket, false, { onError });
    expect(onError).toHaveBeenCalledOnce();
    expect(messages.all).toEqual([]);
  });
});

onLinux('tcp-keepalive:skipped, of a system call that fails', () => {
  test('tells what was asked for and is not set', async () => {
    const messages = heard('skipped');
    const socket = await connection();
    failCallsOf(4, constants.errno.EPERM);
    keepAlive(socket, { initialDelay: 60_000, count: 3 }, { onError() {} });
    expect(messages.of(socket)).toMatchObject([{ error: { code: 'EPERM', applied: ['count'] } }]);
    expect(messages.of(socket)[0]?.skipped).toEqual(
      optionNames.filter((name) => name === 'enable' || name === 'initialDelay'),
    );
  });
});

test('where a held connection went stays known after it is closed, for those who want to hear of its loss', async () => {
  heard('lost');
  const { client, server } = await pair();
  keepAlive(client, 'database');
  client.destroy();
  // Whoever reads it of the client, before that is closed, has Node keep it.
  expect(peerOf(client)).toMatchObject({ address: '127.0.0.1', port: server.localPort });
});

onLinux('tcp-keepalive:lost', { concurrent: true }, () => {
  test.for([
    { state: 'idle', options: quick, timer: 'userTimeout' },
    { state: 'idle', options: { ...quick, userTimeout: 0 }, timer: 'keepalive' },
    { state: 'unacknowledged', options: quick, timer: 'userTimeout' },
    { state: 'zeroWindow', options: quick, timer: 'userTimeout' },
  ] as const)('$state, ended by $timer', async ({ state, options, timer }, { expect, onTestFinished }) => {
    const messages = heard('lost', onTestFinished);
    const { client, server, close } = await connectedPair();
    onTestFinished(close);
    keepAlive(client, options);
    client.resume();
    if (state === 'zeroWindow') await fill(client, server);
    else await acknowledged([client, server]);
    const peer = { address: '127.0.0.1', port: client.remotePort };
    vanish(client, server);
    if (state === 'unacknowledged') client.write('nobody hears this');
    const [error] = await once(client, 'error');

    const [message, ...others] = messages.of(client);
    expect(others).toEqual([]);
    expect(message).toMatchObject({
      by: { rank: 'explicit', name: 'keepAlive' },
      options: { initialDelay: 1_000, interval: 1_000, count: 2 },
      peer,
      error,
      state,
      timer,
    });
    // Data that was sent has a clock of its own, which began after the last that was heard.
    const { earliest } = predictDetection(options)[state];
    expect(message?.silence).toBeGreaterThanOrEqual(state === 'idle' ? earliest : 2_000);
  });

  test('of TLS that was started on a held socket, once', async ({ expect, onTestFinished }) => {
    const messages = heard('lost', onTestFinished);
    const listener = tls.createServer({ cert: certificate, key: certificateKey }, (socket) =>
      socket.on('error', () => {}),
    );
    const accepted = once(listener, 'connection') as Promise<[net.Socket]>;
    await once(listener.listen(0, '127.0.0.1'), 'listening');
    const port = portOf(listener);
    const under = keepAlive(net.connect(port, '127.0.0.1'), quick);
    await once(under, 'connect');
    const over = tls.connect({ socket: under, ca: certificate, servername: 'localhost' });
    await once(over, 'secureConnect');
    const [server] = await accepted;
    onTestFinished(() => {
      over.destroy();
      server.destroy();
      listener.close();
    });
    over.resume();
    await idleAMoment();
    await acknowledged([over, server]);
    vanish(over, server);
    const [error] = await once(over, 'error');
    const about = messages.all.filter((message) => message.error === error);
    expect(about).toMatchObject([{ peer: { address: '127.0.0.1', port }, state: 'idle' }]);
  });

  test('of TLS that was connected at once', async ({ expect, onTestFinished }) => {
    const messages = heard('lost', onTestFinished);
    const { client, server, close } = await tlsPair();
    onTestFinished(close);
    keepAlive(client, quick);
    client.resume();
    await acknowledged([client, server]);
    vanish(client, server);
    await once(client, 'error');
    expect(messages.of(client)).toMatchObject([{ state: 'idle', timer: 'userTimeout' }]);
  });

  test('of an http2 session, by its driver module', async ({ expect, onTestFinished }) => {
    const messages = heard('lost', onTestFinished);
    const { session, socket, port } = await http2Session(quick, onTestFinished);
    await idleAMoment();
    await acknowledged([socket, session.socket as net.Socket]);
    vanish(socket, session.socket as net.Socket);
    await once(session, 'error');
    const about = messages.all.filter(({ peer }) => peer.port === port);
    expect(about).toMatchObject([{ by: { rank: 'driver', name: 'keepAliveHttp2' }, state: 'idle' }]);
  });

  test.for(['keepAliveServer', 'rule', 'peer rule'] as const)(
    'of a connection that a server has accepted, by %s',
    async (by, { expect, onTestFinished }) => {
      const messages = heard('lost', onTestFinished);
      const listener = net.createServer();
      if (by === 'keepAliveServer') keepAliveServer(listener, quick);
      await once(listener.listen(0, '127.0.0.1'), 'listening');
      const port = portOf(listener);
      const host = by === 'peer rule' ? { host: '127.0.0.0/8' } : {};
      const uninstall =
        by === 'keepAliveServer'
          ? () => {}
          : installKeepAlive([{ side: 'server', port, ...host, use: quick }]);
      // The first one of a listener that a rule found open is set by itself.
      for (const nth of [1, 2]) {
        const accepted = once(listener, 'connection') as Promise<[net.Socket]>;
        const client = net.connect(port, '127.0.0.1').on('error', () => {});
        const [socket] = await accepted;
        onTestFinished(() => {
          client.destroy();
          socket.destroy();
        });
        if (client.connecting) await once(client, 'connect');
        await acknowledged([socket]);
        const peer = { address: '127.0.0.1', port: client.localPort };
        socket.resume();
        vanish(socket, client);
        const [error] = await once(socket, 'error');
        const name = by === 'keepAliveServer' ? by : expect.stringMatching(new RegExp(`^listen:.*${port}=`));
        expect(messages.of(socket), `the connection ${nth}`).toMatchObject([
          { by: { name }, peer, error, state: 'idle', timer: 'userTimeout' },
        ]);
      }
      uninstall();
      listener.close();
    },
  );

  test('nothing of other ends: of the peer, of the program, and with an error of its own', async ({
    expect,
    onTestFinished,
  }) => {
    const messages = heard('lost', onTestFinished);
    const ends = [await connectedPair(), await connectedPair(), await connectedPair()] as const;
    for (const { client, close } of ends) {
      keepAlive(client.resume(), quick);
      onTestFinished(close);
    }
    const closed = ends.map(({ client }) => once(client, 'close'));
    ends[0].server.resetAndDestroy();
    ends[1].client.destroy();
    // Drivers give their own timeouts the code of the kernel's.
    ends[2].client.destroy(Object.assign(new Error('my own timeout'), { code: 'ETIMEDOUT' }));
    await Promise.all(closed.map((each) => each.catch(() => {})));
    for (const { client } of ends) expect(messages.of(client)).toEqual([]);
  });

  test('of an attempt that gets no answer', async ({ expect, onTestFinished }) => {
    const messages = heard('lost', onTestFinished);
    // A backlog that is full drops SYNs.
    const listener = net.createServer();
    await once(listener.listen({ port: 0, host: '127.0.0.1', backlog: 1 }), 'listening');
    vanish(listener);
    const socket = keepAlive(net.connect(portOf(listener), '127.0.0.1'), quick);
    const [error] = await once(socket, 'error');
    listener.close();
    expect(error).toMatchObject({ code: 'ETIMEDOUT', syscall: 'connect' });
    const peer = { address: '127.0.0.1', port: error.port };
    expect(messages.of(socket)).toMatchObject([{ peer, state: 'connecting', timer: 'userTimeout' }]);
    expect(messages.of(socket)[0]).not.toHaveProperty('silence');
  });
});

test('a subscriber that throws changes nothing: Node reports its error, as for every channel', async () => {
  expect(await runFixture('throwing-subscriber.ts')).toMatchObject({
    interval: 7_000,
    read: 7_000,
    echo: 'echo',
    others: 3,
    reported: ['thrown at set', 'thrown at set', 'thrown at restored'],
  });
});

test('nothing is put together for nobody', async () => {
  const socket = await connection();
  const remoteAddress = vi.spyOn(socket, 'remoteAddress', 'get');
  keepAlive(socket, 'database');
  setKeepAlive(socket, { interval: 7_000 });
  socket.setKeepAlive(true, 1_000);
  expect(remoteAddress).not.toHaveBeenCalled();
});

/** Writes until the peer, which does not read, has no room. */
async function fill(client: net.Socket, server: net.Socket): Promise<void> {
  server.pause();
  for (let written = 0; written < 300; written++) client.write(Buffer.alloc(65_536));
  await vi.waitUntil(() => {
    const { sendWindow, unacked } = getTcpInfo(client);
    return sendWindow === 0 && unacked === 0;
  });
}

import { once } from 'node:events';
import net from 'node:net';
import { getKeepAlive, keepAlive, type OnError, presets, setKeepAlive } from 'tcp-keepalive';
import { vanish } from 'tcp-keepalive/testing';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { loadLibc } from '../../../native-bindings/libc.ts';
import { getTcpInfo } from '../../../src/sockets/get.ts';
import { adopted, connection, missingMultipath, pair } from '../../helpers/connection.ts';
import { handleOf } from '../../helpers/handle-of.ts';
import { databaseInKernel, driverInKernel, optionsSetBy, soonAfter } from '../../helpers/hold-parts.ts';
import { listen } from '../../helpers/listen.ts';
import { PATIENCE } from '../../helpers/patience.ts';
import { fdOf, kernelValues, writeRaw } from '../../helpers/raw-options.ts';
import { socketKinds } from '../../helpers/socket-kinds.ts';

/** A connection with values that nobody here sets, so that what is left alone shows. */
async function unusualConnection(): Promise<net.Socket> {
  const client = await connection();
  writeRaw(client, 'initialDelay', 41);
  writeRaw(client, 'interval', 42);
  writeRaw(client, 'count', 7);
  writeRaw(client, 'userTimeout', 9_000);
  return client;
}

function client(): net.Socket {
  const socket = new net.Socket();
  onTestFinished(() => void socket.destroy());
  return socket.on('error', () => {});
}

describe.runIf(process.platform === 'linux')('on Linux', () => {
  describe('on a connection that is held late, reads', () => {
    async function readsAfter(silence: number): Promise<{ reads: number; silence: number }> {
      const socket = await unusualConnection();
      await vi.waitUntil(() => (getTcpInfo(socket).lastDataReceived ?? 0) >= silence, PATIENCE);
      const reads = vi.spyOn(loadLibc(), 'getsockopt');
      onTestFinished(() => void reads.mockRestore());
      keepAlive(socket, 'database');
      const counted = reads.mock.calls.filter(([fd]) => fd === fdOf(socket)).length;
      expect(kernelValues(socket)).toBe(databaseInKernel);
      return { reads: counted, silence: getTcpInfo(socket).lastDataReceived ?? 0 };
    }

    test('how long the peer was silent, and nothing else if it was heard a moment ago', async ({ skip }) => {
      const { reads, silence } = await readsAfter(0);
      skip(silence >= 1_000, 'the machine stood still');
      expect(reads).toBe(1);
    });

    test('each option once, if the peer was silent', async () => {
      // Probes may be unanswered then, so that only what differs is written.
      expect((await readsAfter(1_100)).reads).toBe(1 + Object.keys(presets.database).length);
    });
  });

  describe.each(socketKinds)('$kind', ({ open }) => {
    test('keeps what is held, whichever way a driver calls', async () => {
      const { socket, carrier, close } = await open();
      onTestFinished(close);
      carrier.setKeepAlive(true, 33_000);
      expect(kernelValues(carrier)).toBe(`${driverInKernel} 0`);

      expect(keepAlive(socket, 'database')).toBe(socket);
      expect(kernelValues(carrier)).toBe(databaseInKernel);
      carrier.setKeepAlive(true, 34_000);
      expect(kernelValues(carrier)).toBe(databaseInKernel);
      carrier.setKeepAlive(false);
      expect(kernelValues(carrier)).toBe(databaseInKernel);
      handleOf(socket).setKeepAlive(true, 35);
      expect(kernelValues(carrier)).toBe(databaseInKernel);
    });

    test('keeps what is held on the socket underneath', async () => {
      const { socket, carrier, close } = await open();
      onTestFinished(close);
      keepAlive(carrier, 'database');
      handleOf(socket).setKeepAlive(true, 33);
      expect(kernelValues(carrier)).toBe(databaseInKernel);

      // One hold, whichever socket is named.
      keepAlive(socket, { count: 4 });
      setKeepAlive(carrier, { userTimeout: 5_000 });
      carrier.setKeepAlive(true, 33_000);
      expect(kernelValues(carrier)).toBe('1:33/1/4 5000');
    });
  });

  describe('applies', () => {
    const held = { interval: 5_000, userTimeout: 4_000 };

    test.each<{ when: string; hold: (socket: net.Socket, port: number) => void }>([
      {
        when: 'before connect() is called',
        hold: (socket, port) => keepAlive(socket, held).connect(port, '127.0.0.1'),
      },
      {
        when: 'while connecting',
        hold: (socket, port) => keepAlive(socket.connect(port, '127.0.0.1'), held),
      },
      {
        when: 'once it has a descriptor, and is still connecting',
        hold: (socket, port) => {
          socket.connect(port, '127.0.0.1');
          process.nextTick(() => keepAlive(socket, held));
        },
      },
      {
        when: "at 'lookup'",
        hold: (socket, port) =>
          socket.once('lookup', () => keepAlive(socket, held)).connect(port, 'localhost'),
      },
      {
        when: "in a 'connect' listener",
        hold: (socket, port) =>
          socket.once('connect', () => keepAlive(socket, held)).connect(port, '127.0.0.1'),
      },
      {
        when: "at 'ready'",
        hold: (socket, port) =>
          socket.once('ready', () => keepAlive(socket, held)).connect(port, '127.0.0.1'),
      },
    ])('when held $when', async ({ hold }) => {
      const socket = client();
      hold(socket, await listen(net.createServer()));
      await once(socket, 'ready');
      expect(getKeepAlive(socket)).toMatchObject({ enable: true, ...held });
    });

    test.each<{ who: string; set: (socket: net.Socket) => void }>([
      { who: 'a driver', set: (socket) => socket.setKeepAlive(true, 33_000) },
      {
        who: 'another binding, past the handle,',
        set: (socket) => writeRaw(socket, 'interval', 1),
      },
    ])('whether $who sets its own before it or after it', async ({ set }) => {
      const port = await listen(net.createServer());
      const before = client();
      before.on('connect', () => set(before));
      keepAlive(before, 'database').connect(port, '127.0.0.1');
      const after = keepAlive(client(), 'database').connect(port, '127.0.0.1');
      after.on('connect', () => set(after));
      await Promise.all([once(before, 'connect'), once(after, 'connect')]);
      await soonAfter();
      expect([kernelValues(before), kernelValues(after)]).toEqual([databaseInKernel, databaseInKernel]);
    });

    test('to an accepted socket that is not being read', async () => {
      const listener = net.createServer({ pauseOnConnect: true });
      const peer = client().connect(await listen(listener), '127.0.0.1');
      const [accepted] = (await once(listener, 'connection')) as [net.Socket];
      keepAlive(accepted, 'database');
      accepted.setKeepAlive(true, 33_000);
      peer.write('hello');
      expect(kernelValues(accepted)).toBe(databaseInKernel);
      expect(accepted.isPaused() || accepted.readableFlowing === null).toBe(true);
      accepted.resume();
      const [data] = await once(accepted, 'data');
      expect(String(data)).toBe('hello');
    });

    test('again when the same socket is connected again', async () => {
      const port = await listen(net.createServer());
      const socket = keepAlive(client(), 'database');
      for (const attempt of [1, 2, 3]) {
        socket.connect(port, '127.0.0.1');
        await once(socket, 'connect');
        socket.setKeepAlive(true, 33_000 + 1_000 * attempt);
        expect(kernelValues(socket)).toBe(databaseInKernel);
        socket.destroy();
        await once(socket, 'close');
      }
    });
  });

  describe('a partial hold', () => {
    test.each([
      { options: { interval: 5_000 }, start: '1:41/5/7 9000', after: '1:33/5/10 9000' },
      { options: { count: 3 }, start: '1:41/42/3 9000', after: '1:33/1/3 9000' },
      { options: { initialDelay: 10_000 }, start: '1:10/42/7 9000', after: '1:10/1/10 9000' },
      { options: { userTimeout: 4_000 }, start: '0:41/42/7 4000', after: '1:33/1/10 4000' },
      {
        options: { initialDelay: 10_000, interval: 5_000 },
        start: '1:10/5/7 9000',
        after: '1:10/5/10 9000',
      },
      { options: { initialDelay: 10_000, count: 3 }, start: '1:10/42/3 9000', after: '1:10/1/3 9000' },
      { options: { interval: 5_000, count: 3 }, start: '1:41/5/3 9000', after: '1:33/5/3 9000' },
      { options: { enable: false }, start: '0:41/42/7 9000', after: '0:33/1/10 9000' },
      {
        options: { enable: false, count: 3 },
        start: '0:41/42/3 9000',
        after: '0:33/1/3 9000',
      },
    ])('of $options leaves the rest to the driver', async ({ options, start, after }) => {
      const socket = await unusualConnection();
      keepAlive(socket, options);
      expect(kernelValues(socket)).toBe(start);
      socket.setKeepAlive(true, 33_000);
      expect(kernelValues(socket)).toBe(after);
    });

    test('writes back only what the driver changed', async () => {
      const socket = await unusualConnection();
      keepAlive(socket, { interval: 5_000, userTimeout: 4_000 });
      expect(optionsSetBy(() => socket.setKeepAlive(true, 33_000))).toEqual(['TCP_KEEPINTVL']);
    });

    test('answers the driver what Node answered', async () => {
      const socket = await connection();
      const forwarded = vi.spyOn(handleOf(socket), 'setKeepAlive').mockReturnValue(-22);
      keepAlive(socket, { interval: 5_000 });
      expect(handleOf(socket).setKeepAlive(true, 33)).toBe(-22);
      expect(forwarded.mock.calls).toEqual([[true, 33]]);
      expect(forwarded.mock.contexts[0]).toBe(handleOf(socket));
    });
  });

  test('a full hold does not let the driver’s call reach the kernel, and answers 0', async () => {
    const socket = await connection();
    const forwarded = vi.spyOn(handleOf(socket), 'setKeepAlive');
    keepAlive(socket, { initialDelay: 10_000, interval: 5_000, count: 3 });
    expect(handleOf(socket).setKeepAlive(true, 33)).toBe(0);
    expect(forwarded).not.toHaveBeenCalled();
  });

  test('a Multipath TCP socket holds what it has, and what it lacks is told each time', async ({ skip }) => {
    const missing = missingMultipath();
    skip(missing !== undefined, missing);
    const socket = await adopted('MPTCP');
    const onError = vi.fn<OnError>();
    const { userTimeout: _, maxRetransmitInterval: _auto, ...rest } = presets.database;
    keepAlive(socket, 'database', { onError });
    expect(getKeepAlive(socket)).toEqual(rest);
    socket.setKeepAlive(true, 33_000);
    expect(getKeepAlive(socket)).toEqual(rest);
    keepAlive(socket, { interval: 6_000, userTimeout: 9_000 }, { onError });
    socket.setKeepAlive(true, 34_000);
    expect(getKeepAlive(socket)).toEqual({ enable: true, initialDelay: 34_000, interval: 6_000, count: 10 });
    const message = expect.stringContaining(
      'Cannot set `userTimeout`: this connection has no such option on linux',
    );
    const told = [expect.objectContaining({ code: 'ERR_KEEPALIVE_UNSUPPORTED', message })];
    expect(onError.mock.calls).toEqual([told, told]);
  });

  test('sends no extra probes while probes are out', async () => {
    const { client: socket, server } = await pair();
    const options = { initialDelay: 1_000, interval: 8_000, count: 9, userTimeout: 60_000 };
    keepAlive(socket, options);
    vanish(socket, server);
    await vi.waitUntil(() => getTcpInfo(socket).probes === 1, { timeout: PATIENCE, interval: 10 });

    const written = optionsSetBy(() => {
      for (let delay = 30_000; delay < 35_000; delay += 1_000) {
        socket.setKeepAlive(true, delay);
        keepAlive(socket, options);
      }
      keepAlive(socket, { ...options, count: 8 });
    });
    expect(written).toEqual(['TCP_KEEPCNT']);
    expect(getTcpInfo(socket).probes).toBe(1);
    // What it would have done, before the next probe is due.
    writeRaw(socket, 'initialDelay', 1);
    await vi.waitUntil(() => getTcpInfo(socket).probes === 2, { timeout: 6_000, interval: 10 });
  });

  describe('another call', () => {
    test('of keepAlive replaces what is held', async () => {
      const socket = await unusualConnection();
      keepAlive(socket, 'database');
      keepAlive(socket, { interval: 6_000 });
      // What is held no more stays as it is until somebody sets it.
      expect(kernelValues(socket)).toBe('1:10/6/3 24500');
      socket.setKeepAlive(true, 33_000);
      expect(kernelValues(socket)).toBe('1:33/6/10 24500');
    });

    test('of keepAlive before the connection replaces what will be held', async () => {
      const socket = keepAlive(client(), 'tunnel');
      keepAlive(socket, 'database').connect(await listen(net.createServer()), '127.0.0.1');
      await once(socket, 'connect');
      expect(kernelValues(socket)).toBe(databaseInKernel);
    });

    test('of setKeepAlive changes what is held', async () => {
      const socket = await connection();
      keepAlive(socket, 'database');
      setKeepAlive(socket, { count: 5, userTimeout: 0 });
      socket.setKeepAlive(true, 33_000);
      expect(kernelValues(socket)).toBe('1:10/5/5 0');
    });

    test("of setKeepAlive in an earlier 'connect' listener changes what will be held", async () => {
      const socket = client();
      socket.on('connect', () => setKeepAlive(socket, { count: 5 }));
      keepAlive(socket, 'database').connect(await listen(net.createServer()), '127.0.0.1');
      await once(socket, 'connect');
      await soonAfter();
      expect(kernelValues(socket)).toBe('1:10/5/5 24500');
    });

    test('with false ends the hold and leaves the kernel as it is', async () => {
      const socket = await connection();
      keepAlive(socket, 'database');
      expect(keepAlive(socket, false)).toBe(socket);
      expect(kernelValues(socket)).toBe(databaseInKernel);
      socket.setKeepAlive(true, 33_000);
      expect(kernelValues(socket)).toBe(`${driverInKernel} 24500`);
      socket.setKeepAlive(false);
      expect(getKeepAlive(socket).enable).toBe(false);
    });

    test('with false before the connection ends the hold before it began', async () => {
      const socket = keepAlive(keepAlive(client(), 'database'), false);
      socket.connect(await listen(net.createServer()), '127.0.0.1');
      await once(socket, 'connect');
      await soonAfter();
      expect(getKeepAlive(socket).enable).toBe(false);
    });

    test('of setKeepAlive after false sets, and holds nothing', async () => {
      const socket = await connection();
      keepAlive(keepAlive(socket, 'tunnel'), false);
      setKeepAlive(socket, 'database');
      expect(kernelValues(socket)).toBe(databaseInKernel);
      socket.setKeepAlive(true, 33_000);
      expect(kernelValues(socket)).toBe(`${driverInKernel} 24500`);
    });

    test('after false holds again', async () => {
      const socket = await connection();
      keepAlive(keepAlive(keepAlive(socket, 'tunnel'), false), 'database');
      socket.setKeepAlive(true, 33_000);
      expect(kernelValues(socket)).toBe(databaseInKernel);
    });
  });

  test('a thousand calls leave one listener', async () => {
    const warnings: Error[] = [];
    const note = (warning: Error) => warnings.push(warning);
    process.on('warning', note);
    onTestFinished(() => void process.off('warning', note));
    const socket = client();
    for (let i = 0; i < 1_000; i++) keepAlive(socket, i % 3 === 0 ? false : 'database');
    socket.connect(await listen(net.createServer()), '127.0.0.1');
    await once(socket, 'connect');
    for (let i = 0; i < 1_000; i++) keepAlive(socket, i % 3 === 0 ? false : 'database');
    await soonAfter();
    expect(socket.listenerCount('connect')).toBe(1);
    expect(warnings).toEqual([]);
  });
});

import diagnostics from 'node:diagnostics_channel';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import net from 'node:net';
import tls from 'node:tls';
import { type KeepAliveRule, keepAlive, keepAliveFor, predictDetection } from 'tcp-keepalive';
import { vanish } from 'tcp-keepalive/testing';
import { describe, expect, it, onTestFinished, test, vi } from 'vitest';
import { loadLibc } from '../../native-bindings/libc.ts';
import { expectWithin } from '../helpers/detection.ts';
import { PATIENCE } from '../helpers/patience.ts';
import { kernelValues } from '../helpers/raw-options.ts';
import { hasRetransmitInterval } from '../helpers/retransmit-interval.ts';
import { certificate, certificateKey } from '../helpers/test-certificate.ts';
import {
  connect,
  DATABASE,
  DEFAULTS,
  install,
  listen,
  opened,
  underRules,
  uninstalls,
  WEBSOCKET,
} from '../helpers/under-rules.ts';

underRules();

describe('connections that this process opens', () => {
  it('are set, whoever opens them and before their listeners are told', async () => {
    const port = await listen();
    install({ port, use: 'database' });

    const made = new net.Socket();
    opened.push(made);
    let seen = '';
    made.on('connect', () => {
      seen = kernelValues(made);
    });
    made.connect(port, '127.0.0.1');
    await once(made, 'connect');
    expect(seen).toBe(DATABASE);
    expect(kernelValues(await connect({ port, host: '127.0.0.1' }))).toBe(DATABASE);
  });

  it('are left alone where no rule, or an exemption, is for them', async () => {
    const [exempt, other] = [await listen(), await listen()];
    install({ side: 'client', port: exempt, use: false }, { side: 'client', port: exempt, use: 'database' });
    expect(kernelValues(await connect({ port: exempt, host: '127.0.0.1' }))).toBe(DEFAULTS);
    expect(kernelValues(await connect({ port: other, host: '127.0.0.1' }))).toBe(DEFAULTS);
  });

  it('get what the first matching rule says', async () => {
    const port = await listen();
    install({ host: '127.0.0.0/8', use: 'websocket' }, { port, use: 'database' });
    expect(kernelValues(await connect({ port, host: '127.0.0.1' }))).toBe(WEBSOCKET);
  });

  it('are known by the name given to connect(), and by the address behind it', async () => {
    const port = await listen();
    const lookup: net.LookupFunction = (_name, options, callback) => {
      if (options.all) callback(null, [{ address: '127.0.0.1', family: 4 }]);
      else callback(null, '127.0.0.1', 4);
    };
    const uninstall = install({ side: 'client', host: 'db.internal', use: 'database' });
    expect(kernelValues(await connect({ port, host: 'DB.internal', lookup }))).toBe(DATABASE);
    expect(kernelValues(await connect({ port, host: 'other.internal', lookup }))).toBe(DEFAULTS);
    expect(kernelValues(await connect({ port, host: '127.0.0.1' }))).toBe(DEFAULTS);
    uninstall();

    install({ side: 'client', host: '127.0.0.1', use: 'websocket' });
    expect(kernelValues(await connect({ port, host: 'db.internal', lookup }))).toBe(WEBSOCKET);
  });

  it('are no longer known by their name once the same socket connects by an address', async () => {
    const port = await listen();
    install({ side: 'client', host: 'localhost', use: 'database' });
    const socket = await connect({ port, host: 'localhost', family: 4 });
    expect(kernelValues(socket)).toBe(DATABASE);
    socket.destroy();
    await once(socket, 'close');
    socket.connect(port, '127.0.0.1');
    await once(socket, 'connect');
    expect(kernelValues(socket)).toBe(DEFAULTS);
  });

  it('are known by their address over IPv6', async () => {
    const port = await listen(net.createServer(), '::1');
    install({ side: 'client', host: '::/64', use: 'database' });
    expect(kernelValues(await connect({ port, host: '::1' }))).toBe(DATABASE);
  });

  it('are held against what drivers set later', async () => {
    const port = await listen();
    install({ port, use: 'database' });
    const socket = await connect({ port, host: '127.0.0.1' });
    socket.setKeepAlive(true, 60_000);
    expect(kernelValues(socket)).toBe(DATABASE);
  });

  it('are decided anew when the same socket connects again', async () => {
    const [first, second, third] = [await listen(), await listen(), await listen()];
    install(
      { side: 'client', port: first, use: 'database' },
      { side: 'client', port: second, use: 'websocket' },
    );
    const socket = new net.Socket();
    opened.push(socket);
    for (const [port, want] of [
      [first, DATABASE],
      [second, WEBSOCKET],
      [third, DEFAULTS],
      [first, DATABASE],
    ] as const) {
      socket.connect(port, '127.0.0.1');
      await once(socket, 'connect');
      expect(kernelValues(socket)).toBe(want);
      socket.destroy();
      await once(socket, 'close');
    }
    for (const event of ['connect', 'connectionAttempt', 'lookup'])
      expect(socket.listenerCount(event)).toBe(0);
  });

  it('over TLS are set once, on the connection underneath', async () => {
    const server = tls.createServer({ cert: certificate, key: certificateKey });
    const port = await listen(server);
    install({ side: 'client', port, use: 'database' });
    const direct = tls.connect({ port, host: '127.0.0.1', ca: certificate });
    opened.push(direct);
    await once(direct, 'secureConnect');
    expect(kernelValues(direct)).toBe(DATABASE);

    const raw = await connect({ port, host: '127.0.0.1' });
    const upgraded = tls.connect({ socket: raw, ca: certificate, host: 'localhost' });
    opened.push(upgraded);
    await once(upgraded, 'secureConnect');
    upgraded.setKeepAlive(true, 60_000);
    expect(kernelValues(raw)).toBe(DATABASE);
  });

  it('keep what somebody set on the socket itself', async () => {
    const port = await listen();
    install({ port, use: 'database' });
    const held = keepAlive(net.connect(port, '127.0.0.1'), 'websocket');
    const released = keepAlive(net.connect(port, '127.0.0.1'), false);
    opened.push(held, released);
    await Promise.all([once(held, 'connect'), once(released, 'connect')]);
    expect(kernelValues(held)).toBe(WEBSOCKET);
    expect(kernelValues(released)).toBe(DEFAULTS);
  });
});

describe('attempts to connect', () => {
  const use = { initialDelay: 10_000, interval: 5_000, count: 3, userTimeout: 1_000 } as const;
  const lookup: net.LookupFunction = (_name, options, done) => {
    if (options.all) done(null, [{ address: '127.0.0.1', family: 4 }]);
    else done(null, '127.0.0.1', 4);
  };
  async function vanished(): Promise<number> {
    const server = net.createServer();
    const port = await listen(server);
    vanish(server);
    return port;
  }
  /** One turn after the attempt, when the kernel has a socket for it. */
  async function begun(socket: net.Socket): Promise<void> {
    await once(socket, 'connectionAttempt');
    await new Promise(process.nextTick);
    expect(socket.connecting).toBe(true);
  }

  it.each<[rule: string, rule: KeepAliveRule, begin: (port: number) => net.Socket]>([
    ['of an address', { host: '127.0.0.1', use }, (port) => net.connect(port, '127.0.0.1')],
    ['of a name', { host: 'db.internal', use }, (port) => net.connect({ port, host: 'db.internal', lookup })],
    ['of every connection, for TLS', { use }, (port) => tls.connect({ port, host: '127.0.0.1' })],
  ])('are bounded by a rule %s', async (_rule, rule, begin) => {
    const port = await vanished();
    install(rule);
    const socket = begin(port);
    opened.push(socket);
    const began = performance.now();
    const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
    expect(error).toMatchObject({ code: 'ETIMEDOUT', syscall: 'connect' });
    expectWithin(predictDetection(use).connecting, began);
  });

  it('to an exempt host, or one that no rule is for, are left alone', async () => {
    const port = await listen();
    install(
      { host: '127.0.0.2', use: 'database' },
      { host: '127.0.0.1', port, use: false },
      { use: 'tunnel' },
    );
    const socket = net.connect(port, '127.0.0.1');
    opened.push(socket);
    await begun(socket);
    expect(kernelValues(socket)).toBe(DEFAULTS);
    await once(socket, 'connect');
    expect(kernelValues(socket)).toBe(DEFAULTS);
  });

  it('are left alone by libraries too if a rule exempts them, whoever comes first', async () => {
    const port = await listen();
    install({ side: 'client', port, use: false });
    const before = keepAliveFor('my-client', net.connect(port, '127.0.0.1'), 'database');
    opened.push(before);
    await once(before, 'connect');
    const after = keepAliveFor('my-client', await connect({ port, host: '127.0.0.1' }), 'database');
    await new Promise(setImmediate);
    // What was written before the rule was asked stays, but is not held.
    before.setKeepAlive(true, 33_000);
    expect(kernelValues(before)).toMatch(/^1:33\/1\/10 /);
    expect(kernelValues(after)).toBe(DEFAULTS);
  });

  it('follow rules that were changed before they succeeded', async () => {
    const port = await listen();
    install({ port, use: 'tunnel' });
    const socket = net.connect(port, '127.0.0.1');
    opened.push(socket);
    await begun(socket);
    expect(kernelValues(socket)).not.toBe(DEFAULTS);
    install({ side: 'client', port, use: 'database' });
    await once(socket, 'connect');
    expect(kernelValues(socket)).toBe(DATABASE);
  });

  it('under a rule need one system call for each option in all', async () => {
    const port = await listen();
    install({ side: 'client', port, use: 'database' });
    const libc = loadLibc();
    const calls = [vi.spyOn(libc, 'setsockopt'), vi.spyOn(libc, 'getsockopt')];
    onTestFinished(() => void calls.map((spy) => spy.mockRestore()));
    const socket = await connect({ port, host: '127.0.0.1' });
    await new Promise(setImmediate);
    expect(calls.map(({ mock }) => mock.calls.length)).toEqual([hasRetransmitInterval ? 6 : 5, 0]);
    expect(kernelValues(socket)).toBe(DATABASE);
  });
});

describe('listeners', () => {
  it.each(['127.0.0.1', 'localhost'])('of rules go once %s is connected', async (host) => {
    const port = await listen();
    const without = await connect({ port, host, family: 4 });
    install({ port, use: 'database' });
    const socket = await connect({ port, host, family: 4 });
    expect(kernelValues(socket)).toBe(DATABASE);
    for (const event of ['connect', 'connectionAttempt', 'lookup'])
      expect(socket.listenerCount(event)).toBe(without.listenerCount(event));
  });

  it('of an explicit hold stay, even if a rule had set the socket first', async () => {
    const port = await listen();
    install({ port, use: 'database' });
    const socket = keepAlive(await connect({ port, host: '127.0.0.1' }), 'websocket');
    expect(socket.listenerCount('connect')).toBe(1);
    socket.destroy();
    await once(socket, 'close');
    for (const uninstall of uninstalls.splice(0)) uninstall();
    socket.connect(port, '127.0.0.1');
    await once(socket, 'connect');
    expect(kernelValues(socket)).toBe(WEBSOCKET);
  });
});

test('no subscriber of the channel and no wrapped connect sees a socket before the program connects', async () => {
  const port = await listen();
  const seen: unknown[] = [];
  const notice = (message: unknown) => void seen.push((message as { socket: net.Socket }).socket);
  const original = net.Socket.prototype.connect;
  diagnostics.subscribe('net.client.socket', notice);
  net.Socket.prototype.connect = function (this: net.Socket, ...args: []) {
    seen.push(this);
    return Reflect.apply(original, this, args);
  } as typeof original;
  try {
    install({ use: 'database' });
    install({ use: 'websocket' })();
    expect(seen).toEqual([]);
    const socket = await connect({ port, host: '127.0.0.1' });
    expect(new Set(seen)).toEqual(new Set([socket]));
    expect(kernelValues(socket)).toBe(DATABASE);
  } finally {
    diagnostics.unsubscribe('net.client.socket', notice);
    net.Socket.prototype.connect = original;
  }
});

it('a thousand short connections leave nothing behind', async () => {
  install({ use: 'database' });
  const server = net.createServer((socket) => socket.end());
  const port = await listen(server);
  const descriptors = () => readdirSync('/proc/self/fd').length;
  const before = descriptors();
  let checked = 0;
  for (let round = 0; round < 20; round++) {
    await Promise.all(
      Array.from({ length: 50 }, async () => {
        const socket = net.connect(port, '127.0.0.1');
        socket.on('error', () => {});
        await once(socket, 'connect');
        if (kernelValues(socket) === DATABASE) checked++;
        socket.destroy();
        await once(socket, 'close');
      }),
    );
  }
  expect(checked).toBe(1_000);
  await vi.waitFor(() => expect(descriptors()).toBeLessThanOrEqual(before + 2), { timeout: PATIENCE });
  expect(server.listenerCount('close')).toBeLessThanOrEqual(1);
});

test('a tool that turns what connect throws into an error of the socket does not end the process', async () => {
  const port = await listen();
  const original = net.Socket.prototype.connect;
  net.Socket.prototype.connect = function (this: net.Socket, ...args: []) {
    try {
      return Reflect.apply(original, this, args);
    } catch (error) {
      return this.destroy(error as Error);
    }
  } as typeof original;
  try {
    const uninstall = install({ use: 'database' });
    expect(kernelValues(await connect({ port, host: '127.0.0.1' }))).toBe(DATABASE);
    uninstall();
  } finally {
    net.Socket.prototype.connect = original;
  }
});

describe.skipIf(channelTellsOfAll())('the wrapper of Socket#connect', () => {
  const prototype = net.Socket.prototype;

  it('is taken off again', () => {
    const original = prototype.connect;
    const uninstall = install({ use: 'database' });
    expect(prototype.connect).not.toBe(original);
    uninstall();
    expect(prototype.connect).toBe(original);
  });

  it('is put anew where another tool, put on before it, has taken it off', async () => {
    const port = await listen();
    const original = prototype.connect;
    const covered = async () => kernelValues(await connect({ port, host: '127.0.0.1' }));
    const theirs = function (this: net.Socket, ...args: []) {
      return Reflect.apply(original, this, args);
    } as typeof prototype.connect;

    prototype.connect = theirs;
    const uninstall = install({ use: 'database' });
    prototype.connect = original;
    uninstall();
    const second = install({ use: 'database' });
    expect(await covered()).toBe(DATABASE);
    second();
    expect(prototype.connect).toBe(original);

    prototype.connect = theirs;
    install({ use: 'database' });
    prototype.connect = original;
    install({ use: 'websocket' });
    expect(await covered()).toBe(WEBSOCKET);
    for (const end of uninstalls.splice(0)) end();
    expect(await covered()).toBe(DEFAULTS);
    expect(prototype.connect).toBe(original);
  });

  it("stays under another's and passes through, and another install sees connections again", async () => {
    const port = await listen();
    const original = prototype.connect;
    const uninstall = install({ use: 'database' });
    const ours = prototype.connect;
    const theirs = function (this: net.Socket, ...args: []) {
      return Reflect.apply(ours, this, args);
    } as typeof prototype.connect;
    prototype.connect = theirs;
    try {
      expect(kernelValues(await connect({ port, host: '127.0.0.1' }))).toBe(DATABASE);
      uninstall();
      expect(prototype.connect).toBe(theirs);
      expect(kernelValues(await connect({ port, host: '127.0.0.1' }))).toBe(DEFAULTS);
      const again = install({ use: 'websocket' });
      expect(kernelValues(await connect({ port, host: '127.0.0.1' }))).toBe(WEBSOCKET);
      again();
      expect(prototype.connect).toBe(theirs);
    } finally {
      prototype.connect = original;
    }
  });
});

describe.runIf(channelTellsOfAll())('where the channel tells of everything', () => {
  it('the prototype is left alone from the first connect on', async () => {
    const port = await listen();
    const original = net.Socket.prototype.connect;
    const uninstall = install({ use: 'database' });
    expect(kernelValues(await connect({ port, host: '127.0.0.1' }))).toBe(DATABASE);
    expect(net.Socket.prototype.connect).toBe(original);
    expect(kernelValues(await connect({ port, host: '127.0.0.1' }))).toBe(DATABASE);
    uninstall();
    install({ use: 'websocket' });
    expect(net.Socket.prototype.connect).toBe(original);
    expect(kernelValues(await connect({ port, host: '127.0.0.1' }))).toBe(WEBSOCKET);
  });
});

/** Whether this Node is one in which the wrapper is not needed: found out with a socket of our own. */
function channelTellsOfAll(): boolean {
  let told = false;
  const notice = () => {
    told = true;
  };
  diagnostics.subscribe('net.client.socket', notice);
  const socket = new net.Socket();
  try {
    socket.connect({ port: -1 });
  } catch {
    socket.destroy();
  }
  diagnostics.unsubscribe('net.client.socket', notice);
  return told;
}

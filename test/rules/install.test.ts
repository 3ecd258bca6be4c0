import diagnostics from 'node:diagnostics_channel';
import { once } from 'node:events';
import { readdirSync, rmSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { keepAlive, keepAliveServer } from 'tcp-keepalive';
import { afterEach, beforeEach, describe, expect, it, test, vi } from 'vitest';
import { installKeepAlive, installRules } from '../../src/rules/install.ts';
import { compileRules, type KeepAliveRule } from '../../src/rules/rule.ts';
import { kernelValues } from '../helpers/raw-options.ts';
import { certificate, certificateKey } from '../helpers/test-certificate.ts';

const DEFAULTS = '0:7200/75/9 0';
const DATABASE = '1:10/5/3 24500';
const WEBSOCKET = '1:45/15/3 89500';
const FAST_FAILOVER = '1:5/2/3 10500';

const uninstalls: (() => void)[] = [];
const opened: (net.Socket | net.Server)[] = [];
const warnings: Error[] = [];
const collect = (warning: Error) => warnings.push(warning);

beforeEach(() => {
  process.on('warning', collect);
});

afterEach(async () => {
  for (const uninstall of uninstalls.splice(0)) uninstall();
  // The last first: Node 20 crashes where the socket under a TLS socket is destroyed before it.
  for (const each of opened.splice(0).reverse()) {
    if (each instanceof net.Socket) each.destroy();
    else each.close();
  }
  await new Promise(setImmediate);
  process.off('warning', collect);
  expect(warnings.splice(0)).toEqual([]);
});

function install(...rules: KeepAliveRule[]): () => void {
  const uninstall = installKeepAlive(rules);
  uninstalls.push(uninstall);
  return uninstall;
}

async function listen(server: net.Server = net.createServer(), host = '127.0.0.1'): Promise<number> {
  opened.push(server);
  server.on('connection', (socket: net.Socket) => {
    opened.push(socket);
    socket.on('error', () => {});
  });
  server.listen(0, host);
  await once(server, 'listening');
  return (server.address() as net.AddressInfo).port;
}

async function connect(options: net.NetConnectOpts): Promise<net.Socket> {
  const socket = net.connect(options);
  opened.push(socket);
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

/** The accepted end, once everybody has had the chance to set it. */
async function nextAccepted(server: net.Server): Promise<net.Socket> {
  const [socket] = (await once(server, 'connection')) as [net.Socket];
  await new Promise(setImmediate);
  return socket;
}

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
    expect(socket.listenerCount('connect')).toBeLessThanOrEqual(2);
    expect(socket.listenerCount('lookup')).toBe(1);
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

describe('connections that this process accepts', () => {
  it('inherit from a listener that a rule is for', async () => {
    install({ side: 'server', use: 'websocket' });
    const server = net.createServer();
    const port = await listen(server);
    expect(kernelValues(server)).toBe(WEBSOCKET);
    const [client, accepted] = await Promise.all([
      connect({ port, host: '127.0.0.1' }),
      nextAccepted(server),
    ]);
    expect(kernelValues(accepted)).toBe(WEBSOCKET);
    expect(accepted.listenerCount('connect')).toBe(0);
    expect(kernelValues(client)).toBe(DEFAULTS);
  });

  it('are set from the first on where the listener was there before the rules', async () => {
    const server = net.createServer();
    const port = await listen(server);
    install({ side: 'server', port, use: 'websocket' });
    for (let round = 0; round < 3; round++) {
      const [, accepted] = await Promise.all([connect({ port, host: '127.0.0.1' }), nextAccepted(server)]);
      expect(kernelValues(accepted)).toBe(WEBSOCKET);
    }
    expect(kernelValues(server)).toBe(WEBSOCKET);
  });

  it('are set one by one where they waited in the queue before', async () => {
    const server = net.createServer();
    const port = await listen(server);
    const accepted: net.Socket[] = [];
    server.on('connection', (socket) => accepted.push(socket));
    install({ side: 'server', port, use: 'websocket' });
    await Promise.all(Array.from({ length: 5 }, () => connect({ port, host: '127.0.0.1' })));
    await vi.waitFor(() => expect(accepted).toHaveLength(5), { timeout: 5_000 });
    await new Promise(setImmediate);
    expect(accepted.map(kernelValues)).toEqual(Array(5).fill(WEBSOCKET));
  });

  it('are told apart by their peer where the rule looks at it', async () => {
    install(
      { side: 'server', host: '127.0.0.2', use: false },
      { side: 'server', host: '127.0.0.0/8', use: 'websocket' },
    );
    const server = net.createServer();
    const port = await listen(server);
    expect(kernelValues(server)).toBe(DEFAULTS);
    for (const [localAddress, want] of [
      ['127.0.0.1', WEBSOCKET],
      ['127.0.0.2', DEFAULTS],
    ] as const) {
      const [, accepted] = await Promise.all([
        connect({ port, host: '127.0.0.1', localAddress }),
        nextAccepted(server),
      ]);
      expect(kernelValues(accepted)).toBe(want);
    }
  });

  it("are set against the server's own keepAlive option", async () => {
    install({ side: 'server', use: 'websocket' });
    const server = net.createServer({ keepAlive: true, keepAliveInitialDelay: 7_000 });
    const port = await listen(server);
    const [, accepted] = await Promise.all([connect({ port, host: '127.0.0.1' }), nextAccepted(server)]);
    expect(kernelValues(accepted)).toBe(WEBSOCKET);
  });

  it('keep what keepAliveServer gave them', async () => {
    install({ side: 'server', use: 'websocket' });
    const before = keepAliveServer(net.createServer(), 'database');
    const after = net.createServer();
    const ports = [await listen(before), await listen(after)];
    keepAliveServer(after, 'database');
    for (const [index, server] of [before, after].entries()) {
      const [, accepted] = await Promise.all([
        connect({ port: ports[index] ?? 0, host: '127.0.0.1' }),
        nextAccepted(server),
      ]);
      expect(kernelValues(accepted)).toBe(DATABASE);
    }
  });

  it.each([
    { given: 'database', want: '1:10/5/3 24500' },
    { given: 'websocket', want: WEBSOCKET },
    { given: { initialDelay: 20_000 }, want: '1:20/75/9 0' },
  ] as const)(
    'keep what keepAliveServer gave them, $given, when rules come and go',
    async ({ given, want }) => {
      const uninstall = install({ side: 'server', use: 'websocket' });
      const server = net.createServer();
      const port = await listen(server);
      keepAliveServer(server, given);
      const accepted = async () => {
        const [, socket] = await Promise.all([connect({ port, host: '127.0.0.1' }), nextAccepted(server)]);
        return kernelValues(socket);
      };
      install({ side: 'client', host: 'elsewhere.example', use: 'tunnel' });
      expect(await accepted()).toBe(want);
      uninstall();
      expect(await accepted()).toBe(want);
    },
  );

  it('are set again after close() and listen() where Node announces no listener, as 20.0', async () => {
    const { subscribe } = diagnostics;
    const silenced = vi.spyOn(diagnostics, 'subscribe').mockImplementation((name, subscriber) => {
      if (name !== 'tracing:net.server.listen:asyncEnd') subscribe(name, subscriber);
    });
    install({ side: 'server', use: 'websocket' });
    silenced.mockRestore();
    const server = net.createServer();
    let port = await listen(server);
    const accepted = async () => {
      const [, socket] = await Promise.all([connect({ port, host: '127.0.0.1' }), nextAccepted(server)]);
      return kernelValues(socket);
    };
    expect([await accepted(), await accepted()]).toEqual([WEBSOCKET, WEBSOCKET]);
    // The connections last, and so there is no 'close'.
    server.close();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    ({ port } = server.address() as net.AddressInfo);
    expect([await accepted(), await accepted()]).toEqual([WEBSOCKET, WEBSOCKET]);
  });

  it('are set again after close() and listen()', async () => {
    install({ side: 'server', use: 'websocket' });
    const server = net.createServer();
    await listen(server);
    for (let round = 0; round < 3; round++) {
      server.close();
      await once(server, 'close');
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      expect(kernelValues(server)).toBe(WEBSOCKET);
    }
    expect(server.listenerCount('close')).toBeLessThanOrEqual(1);
  });

  it('are held where the rule looks at the peer, and not where they inherit', async () => {
    for (const [host, want] of [
      [undefined, '1:60/1/10 89500'],
      ['0.0.0.0/0', WEBSOCKET],
    ] as const) {
      const uninstall = install({ side: 'server', host, use: 'websocket' });
      const server = net.createServer();
      const port = await listen(server);
      const [, accepted] = await Promise.all([connect({ port, host: '127.0.0.1' }), nextAccepted(server)]);
      accepted.setKeepAlive(true, 60_000);
      expect(kernelValues(accepted)).toBe(want);
      uninstall();
    }
  });

  it('are not held where they inherit and somebody observes them', async () => {
    const observe = vi.fn();
    uninstalls.push(installRules(compileRules([{ side: 'server', use: 'websocket' }]), observe));
    const server = net.createServer();
    const port = await listen(server);
    const [, accepted] = await Promise.all([connect({ port, host: '127.0.0.1' }), nextAccepted(server)]);
    expect(observe.mock.calls.map(([, { side }]) => side).sort()).toEqual(['client', 'server']);
    accepted.setKeepAlive(true, 60_000);
    expect(kernelValues(accepted)).toBe('1:60/1/10 89500');
  });

  it('come from listeners that are forgotten once their handle is gone, and restored until then', async () => {
    const uninstall = install({ side: 'server', use: 'websocket' });
    // What the primary of a cluster does.
    const dropped = net.createServer();
    await listen(dropped);
    const { _handle: handle } = dropped as unknown as { _handle: { close(): void } };
    Object.assign(dropped, { _handle: null });
    const living = net.createServer();
    await listen(living);
    expect([dropped, living].map((server) => server.listenerCount('close'))).toEqual([0, 1]);
    handle.close();
    uninstall();
    expect(kernelValues(living)).toBe(DEFAULTS);
    expect(living.listenerCount('close')).toBe(0);
  });

  it('are set over TLS and by http', async () => {
    install({ side: 'server', use: 'websocket' });
    for (const server of [
      tls.createServer({ cert: certificate, key: certificateKey }),
      http.createServer((_request, response) => response.end()),
    ]) {
      const port = await listen(server);
      const [, accepted] = await Promise.all([connect({ port, host: '127.0.0.1' }), nextAccepted(server)]);
      expect(kernelValues(accepted)).toBe(WEBSOCKET);
    }
  });
});

describe('what must not be touched', () => {
  it('a Unix socket, on both sides', async () => {
    const path = join(tmpdir(), `tcp-keepalive-${process.pid}-${Date.now()}.sock`);
    install({ use: 'database' });
    const server = net.createServer().listen(path);
    opened.push(server);
    await once(server, 'listening');
    const [client, accepted] = await Promise.all([connect({ path }), nextAccepted(server)]);
    for (const socket of [client, accepted]) {
      expect(socket.destroyed).toBe(false);
      expect(socket.listenerCount('error')).toBeLessThanOrEqual(1);
    }
    rmSync(path, { force: true });
  });

  it('a connection that is refused: it fails as it would', async () => {
    const server = net.createServer();
    const port = await listen(server);
    server.close();
    await once(server, 'close');
    install({ use: 'database' });
    const socket = net.connect(port, '127.0.0.1');
    const [error] = await once(socket, 'error').catch((thrown) => [thrown]);
    expect(error).toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('a connection whose server closes it at once', async () => {
    const server = net.createServer((socket) => socket.resetAndDestroy());
    const port = await listen(server);
    install({ use: 'database' });
    await Promise.all(
      Array.from({ length: 50 }, async () => {
        const socket = net.connect(port, '127.0.0.1');
        socket.on('error', () => {});
        await new Promise((resolve) => socket.once('close', resolve));
      }),
    );
  });

  it('a connection that ends in its first listener, or in the TLS handshake', async () => {
    const port = await listen(net.createServer((socket) => socket.end('no TLS here')));
    install({ use: 'database' });
    const client = net.connect(port, '127.0.0.1', () => client.destroy());
    await once(client, 'close');
    const secure = tls.connect({ port, host: '127.0.0.1' });
    const [error] = await once(secure, 'error').catch((thrown) => [thrown]);
    expect(error).toMatchObject({ code: expect.stringMatching(/^(ERR_SSL_|ECONNRESET|EPROTO)/) });
  });

  it('the error of a wrong call', () => {
    install({ use: 'database' });
    const socket = new net.Socket();
    opened.push(socket);
    expect(() => socket.connect({ port: 70_000 })).toThrow(
      expect.objectContaining({ code: 'ERR_SOCKET_BAD_PORT' }),
    );
  });
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
  await vi.waitFor(() => expect(descriptors()).toBeLessThanOrEqual(before + 2), { timeout: 5_000 });
  expect(server.listenerCount('close')).toBeLessThanOrEqual(1);
}, 60_000);

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

describe('uninstalling', () => {
  it('ends the holds, and later connections are left alone', async () => {
    const uninstall = install({ use: 'database' });
    const server = net.createServer();
    const port = await listen(server);
    const socket = await connect({ port, host: '127.0.0.1' });
    uninstall();
    expect(kernelValues(socket)).toBe(DATABASE);
    socket.setKeepAlive(true, 60_000);
    expect(kernelValues(socket)).toBe('1:60/1/10 24500');
    expect(kernelValues(server)).toBe(DEFAULTS);
    const [later, accepted] = await Promise.all([connect({ port, host: '127.0.0.1' }), nextAccepted(server)]);
    expect(kernelValues(later)).toBe(DEFAULTS);
    expect(kernelValues(accepted)).toBe(DEFAULTS);
    expect(diagnostics.hasSubscribers('net.client.socket')).toBe(false);
    expect(diagnostics.hasSubscribers('net.server.socket')).toBe(false);
  });

  it('leaves what others hold', async () => {
    const port = await listen();
    const uninstall = install({ use: 'database' });
    const socket = await connect({ port, host: '127.0.0.1' });
    keepAlive(socket, 'websocket');
    uninstall();
    socket.setKeepAlive(true, 60_000);
    expect(kernelValues(socket)).toBe(WEBSOCKET);
  });

  it('leaves a listener that somebody else has set since', async () => {
    const uninstall = install({ use: 'database' });
    const server = net.createServer();
    await listen(server);
    keepAliveServer(server, 'websocket');
    uninstall();
    expect(kernelValues(server)).toBe(WEBSOCKET);
  });

  it('twice is once', async () => {
    const port = await listen();
    const first = install({ use: 'database' });
    first();
    install({ use: 'websocket' });
    first();
    expect(kernelValues(await connect({ port, host: '127.0.0.1' }))).toBe(WEBSOCKET);
  });
});

describe('a second install', () => {
  it('is asked first, then the first one', async () => {
    const [both, only, exempt] = [await listen(), await listen(), await listen()];
    const first = install({ use: 'database' });
    const second = install({ port: both, use: 'websocket' }, { port: exempt, use: false });
    expect(kernelValues(await connect({ port: both, host: '127.0.0.1' }))).toBe(WEBSOCKET);
    expect(kernelValues(await connect({ port: only, host: '127.0.0.1' }))).toBe(DATABASE);
    expect(kernelValues(await connect({ port: exempt, host: '127.0.0.1' }))).toBe(DEFAULTS);
    first();
    expect(kernelValues(await connect({ port: both, host: '127.0.0.1' }))).toBe(WEBSOCKET);
    expect(kernelValues(await connect({ port: only, host: '127.0.0.1' }))).toBe(DEFAULTS);
    second();
    expect(kernelValues(await connect({ port: both, host: '127.0.0.1' }))).toBe(DEFAULTS);
  });

  it('changes the listeners there are, and back', async () => {
    const server = net.createServer();
    const first = install({ side: 'server', use: 'websocket' });
    await listen(server);
    const second = install({ side: 'server', use: 'fastFailover' });
    expect(kernelValues(server)).toBe(FAST_FAILOVER);
    second();
    expect(kernelValues(server)).toBe(WEBSOCKET);
    first();
    expect(kernelValues(server)).toBe(DEFAULTS);
  });
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

  it("stays under another's, passes through, and is used again", async () => {
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
      expect(prototype.connect).toBe(theirs);
      expect(kernelValues(await connect({ port, host: '127.0.0.1' }))).toBe(WEBSOCKET);
      again();
    } finally {
      prototype.connect = ours;
      install({ use: 'database' })();
    }
    expect(prototype.connect).toBe(original);
  });
});

describe.runIf(channelTellsOfAll())('where the channel tells of everything', () => {
  it('the prototype is left alone', () => {
    const original = net.Socket.prototype.connect;
    install({ use: 'database' });
    expect(net.Socket.prototype.connect).toBe(original);
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

test('bad rules change nothing', () => {
  const original = net.Socket.prototype.connect;
  expect(() => installKeepAlive([{ use: 'database' }, { use: 'databse' as 'database' }])).toThrow(
    expect.objectContaining({ code: 'ERR_KEEPALIVE_INVALID_OPTION' }),
  );
  expect(net.Socket.prototype.connect).toBe(original);
});

it('knows the rules of another copy of the library', async () => {
  const port = await listen();
  install({ use: 'database' });
  vi.resetModules();
  const other = await import('../../src/rules/install.ts');
  expect(other.installKeepAlive).not.toBe(installKeepAlive);
  const uninstall = other.installKeepAlive([{ use: 'websocket' }]);
  expect(kernelValues(await connect({ port, host: '127.0.0.1' }))).toBe(WEBSOCKET);
  uninstall();
  expect(kernelValues(await connect({ port, host: '127.0.0.1' }))).toBe(DATABASE);
});

it('a rule that throws where it is seen is a warning, not the end of the process', async () => {
  const port = await listen();
  const seen: string[] = [];
  const uninstall = installRules(compileRules([{ port, use: 'database' }]), (_socket, { side }) => {
    seen.push(side);
    throw new Error('observer');
  });
  uninstalls.push(uninstall);
  const socket = await connect({ port, host: '127.0.0.1' });
  expect(kernelValues(socket)).toBe(DATABASE);
  await vi.waitFor(() => expect(seen.sort()).toEqual(['client', 'server']), { timeout: 5_000 });
  await vi.waitFor(() => expect(warnings).toMatchObject([{ message: 'observer' }]), { timeout: 5_000 });
  warnings.length = 0;
});

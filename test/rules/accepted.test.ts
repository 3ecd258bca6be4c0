import diagnostics from 'node:diagnostics_channel';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import tls from 'node:tls';
import { keepAliveServer } from 'tcp-keepalive';
import { describe, expect, it, vi } from 'vitest';
import { installRules } from '../../src/rules/install.ts';
import { compileRules } from '../../src/rules/rule.ts';
import { PATIENCE } from '../helpers/patience.ts';
import { kernelValues } from '../helpers/raw-options.ts';
import { certificate, certificateKey } from '../helpers/test-certificate.ts';
import {
  connect,
  DATABASE,
  DEFAULTS,
  install,
  listen,
  nextAccepted,
  underRules,
  uninstalls,
  WEBSOCKET,
} from '../helpers/under-rules.ts';

underRules();

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
    await vi.waitFor(() => expect(accepted).toHaveLength(5), { timeout: PATIENCE });
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

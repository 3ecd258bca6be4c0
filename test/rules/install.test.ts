import diagnostics from 'node:diagnostics_channel';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { keepAlive, keepAliveServer } from 'tcp-keepalive';
import { describe, expect, it, test, vi } from 'vitest';
import { installKeepAlive, installRules } from '../../src/rules/install.ts';
import { compileRules } from '../../src/rules/rule.ts';
import { PATIENCE } from '../helpers/patience.ts';
import { kernelValues, writeRaw } from '../helpers/raw-options.ts';
import {
  connect,
  DATABASE,
  DEFAULTS,
  FAST_FAILOVER,
  install,
  listen,
  nextAccepted,
  opened,
  underRules,
  uninstalls,
  WEBSOCKET,
  warnings,
} from '../helpers/under-rules.ts';

underRules();

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

  it('leaves a listener that another program’s code has written to since', async () => {
    const uninstall = install({ use: 'websocket' });
    const server = net.createServer();
    await listen(server);
    writeRaw(server, 'count', 4);
    uninstall();
    expect(kernelValues(server)).toBe('1:45/15/4 89500');
  });

  it('leaves a listener that keepAliveServer has set since', async () => {
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
  await vi.waitFor(() => expect(seen.sort()).toEqual(['client', 'server']), { timeout: PATIENCE });
  await vi.waitFor(() => expect(warnings).toMatchObject([{ message: 'observer' }]), { timeout: PATIENCE });
  warnings.length = 0;
});

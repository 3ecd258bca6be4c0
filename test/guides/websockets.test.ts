import { once } from 'node:events';
import http from 'node:http';
import type net from 'node:net';
import { vanish } from 'tcp-keepalive/testing';
import { expect, onTestFinished, test, vi } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { describeWhereInstalled } from '../helpers/describe-with-server.ts';
import {
  connectedSockets,
  expectInTime,
  idleAMoment,
  proxyTo,
  quickInKernel,
} from '../helpers/driver-under-test.ts';
import { listen, portOf } from '../helpers/listen.ts';
import { kernelValues } from '../helpers/raw-options.ts';
import { packages, runProgram } from './program.ts';

// Each program of docs/guides/websockets-and-sse.md is run as it stands there, with a peer that vanishes.

const guide = 'websockets-and-sse.md';

/** Starts a server of the guide; `connected` waits for its next client and returns the accepted socket. */
async function started<T extends { server: http.Server }>(heading: string) {
  const printed = vi.spyOn(console, 'log').mockImplementation(() => {});
  onTestFinished(() => void printed.mockRestore());
  const exported = await runProgram<T>(guide, heading, { environment: { PORT: '0' } });
  const { server } = exported;
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  if (!server.listening) await once(server, 'listening');
  const accepted = once(server, 'connection').then(([socket]) => socket as net.Socket);
  return { exported, accepted, port: portOf(server), printed };
}

test('a WebSocket server: a client that vanishes is noticed in time', async () => {
  const { exported, accepted, port, printed } = await started<{
    server: http.Server;
    sockets: WebSocketServer;
  }>('A WebSocket server');
  onTestFinished(() => exported.sockets.close());
  const client = new WebSocket(`ws://127.0.0.1:${port}`);
  onTestFinished(() => client.terminate());
  await once(client, 'open');
  const socket = await accepted;
  await idleAMoment();
  expect(kernelValues(socket)).toBe(quickInKernel);
  vanish(socket);
  await expectInTime('idle', socket, () => new Promise((resolve) => socket.once('close', resolve)));
  await vi.waitFor(() => expect(printed).toHaveBeenCalledWith('a client is gone:', 1006));
});

test('a WebSocket client connects again when its server is back', async () => {
  const complained = vi.spyOn(console, 'error').mockImplementation(() => {});
  onTestFinished(() => void complained.mockRestore());
  const server = http.createServer();
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket) => socket.on('error', () => {}).send('hello'));
  const proxy = await proxyTo({ port: await listen(server) });
  const opened = connectedSockets();
  const { stayConnected } = await runProgram<{
    stayConnected(url: string, heard: (data: string) => void, signal: AbortSignal): Promise<void>;
  }>(guide, 'A WebSocket client', {});
  const heard = vi.fn();
  const stop = new AbortController();
  const ended = stayConnected(`ws://127.0.0.1:${proxy.port}`, heard, stop.signal);
  await vi.waitFor(() => expect(heard).toHaveBeenCalledTimes(1));
  const [socket] = opened.to(proxy.port) as [net.Socket];
  await idleAMoment();
  expect(kernelValues(socket)).toBe(quickInKernel);

  await proxy.vanish();
  await expectInTime('idle', socket, () => new Promise((resolve) => socket.once('close', resolve)));
  await proxy.restore();
  await vi.waitFor(() => expect(heard).toHaveBeenCalledTimes(2), { timeout: 30_000 });
  stop.abort();
  await ended;
});

test.for(['idle', 'unacknowledged'] as const)(
  'server-sent events: a client that vanishes is forgotten in time, %s',
  async (state) => {
    const { exported, accepted, port } = await started<{
      server: http.Server;
      clients: Set<http.ServerResponse>;
      send(text: string): void;
    }>('Server-sent events');
    const request = http.get({ port, host: '127.0.0.1', agent: false }).on('error', () => {});
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    response.on('error', () => {}).resume();
    const socket = await accepted;
    await idleAMoment();
    expect(kernelValues(socket)).toBe(quickInKernel);
    const [client] = exported.clients;
    vanish(socket);
    await expectInTime(state, socket, () => {
      if (state === 'unacknowledged') exported.send('data: nobody hears this\n\n');
      return new Promise((resolve) => client?.once('close', resolve));
    });
    expect(exported.clients.size).toBe(0);
  },
);

describeWhereInstalled('socket.io', packages, () => {
  test('a client that vanishes is noticed in time', async () => {
    const { exported, accepted, port, printed } = await started<{
      server: http.Server;
      io: { close(): Promise<void> };
    }>('socket.io');
    onTestFinished(() => void exported.io.close());
    const client = new WebSocket(`ws://127.0.0.1:${port}/socket.io/?EIO=4&transport=websocket`);
    onTestFinished(() => client.terminate());
    await once(client, 'message');
    client.send('40'); // Connects to the main namespace.
    await once(client, 'message');
    const socket = await accepted;
    await idleAMoment();
    expect(kernelValues(socket)).toBe(quickInKernel);
    vanish(socket);
    await expectInTime('idle', socket, () => new Promise((resolve) => socket.once('close', resolve)));
    await vi.waitFor(() => expect(printed).toHaveBeenCalledWith('a client is gone:', expect.any(String)));
  });
});

import { once } from 'node:events';
import http from 'node:http';
import type net from 'node:net';
import type { Duplex } from 'node:stream';
import { keepAliveHttp } from 'tcp-keepalive/http';
import { vanish } from 'tcp-keepalive/testing';
import { keepAliveWs, type WsSocket } from 'tcp-keepalive/ws';
import { expect, onTestFinished, test, vi } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import {
  connectedSockets,
  expectInTime,
  idleAMoment,
  only,
  proxyTo,
  quick,
  quickInKernel,
} from '../helpers/driver-under-test.ts';
import { kernelValues } from '../helpers/raw-options.ts';

test.for([
  { when: 'while it connects', isOpen: false },
  { when: 'once it is open', isOpen: true },
])('a client, called $when: held, and a vanished server is noticed in time', async ({ isOpen }) => {
  const proxy = await proxyTo({ port: await echoServer(newServer()) });
  const opened = connectedSockets();
  const client = newClient(proxy.port);
  if (!isOpen) expect(keepAliveWs(client, quick)).toBe(client);
  await once(client, 'open');
  if (isOpen) keepAliveWs(client, quick);
  const socket = only(opened.to(proxy.port));
  expect(kernelValues(socket)).toBe(quickInKernel);
  client.send('hello');
  await once(client, 'message');
  await idleAMoment();

  expect(kernelValues(socket)).toBe(quickInKernel);
  await proxy.vanish();
  const [code] = await expectInTime('idle', socket, () => once(client, 'close'));
  expect(code).toBe(1006);
});

test('a client with data in flight', async () => {
  const proxy = await proxyTo({ port: await echoServer(newServer()) });
  const opened = connectedSockets();
  const client = keepAliveWs(newClient(proxy.port), quick);
  await once(client, 'open');
  client.send('hello');
  await once(client, 'message');
  await idleAMoment();
  await proxy.vanish();
  const [code] = await expectInTime('unacknowledged', only(opened.to(proxy.port)), () => {
    client.send('nobody hears this');
    return once(client, 'close');
  });
  expect(code).toBe(1006);
});

test('a server: open and later connections are held, and a vanished client is noticed in time', async () => {
  const server = newServer();
  const port = await echoServer(server);
  const accepted: net.Socket[] = [];
  server.on('connection', (_, { socket }) => accepted.push(socket));
  const opened = connectedSockets();
  await once(newClient(port), 'message');
  const first = only([...server.clients]);
  keepAliveWs(server, quick);
  await once(newClient(port), 'message');
  await idleAMoment();

  expect(accepted.map(kernelValues)).toEqual([quickInKernel, quickInKernel]);
  const vanishing = opened.to(port)[0] as net.Socket;
  const atServer = accepted.find(({ remotePort }) => remotePort === vanishing.localPort) as net.Socket;
  vanish(vanishing);
  const [code] = await expectInTime('idle', atServer, () => once(first, 'close'));
  expect(code).toBe(1006);
  expect(server.clients.size).toBe(1);
});

test("a server without a port of its own, whose caller emits no 'connection'", async () => {
  const server = keepAliveWs(new WebSocketServer({ noServer: true }), quick);
  const accepted: net.Socket[] = [];
  const httpServer = http.createServer().listen(0, '127.0.0.1');
  await once(httpServer, 'listening');
  onTestFinished(() => void httpServer.close());
  httpServer.on('upgrade', (request, socket, head) => {
    server.handleUpgrade(request, socket, head, (webSocket) => {
      accepted.push(request.socket);
      webSocket.send('welcome');
    });
  });
  await once(newClient((httpServer.address() as net.AddressInfo).port), 'message');
  expect(kernelValues(only(accepted))).toBe(quickInKernel);
  for (const socket of server.clients) socket.terminate();
});

test('the handshake, through an agent', async () => {
  const proxy = await proxyTo({ port: await silentHttpServer() });
  const opened = connectedSockets();
  const agent = keepAliveHttp(new http.Agent(), quick);
  const client = new WebSocket(`ws://127.0.0.1:${proxy.port}`, { agent });
  await idleAMoment();
  await proxy.vanish();
  const [error] = await expectInTime('idle', only(opened.to(proxy.port)), () => once(client, 'error'));
  expect(error.code).toBe('ETIMEDOUT');
});

test.each([
  { target: 'a client', wrap: (webSocket: WsSocket) => webSocket },
  { target: "a server's client", wrap: serverOf },
])('$target that is open and shows no socket, here a fake of one, is reported', ({ wrap }) => {
  const onError = vi.fn();
  const webSocket = { readyState: WebSocket.OPEN, on() {}, removeListener() {}, terminate() {} };
  keepAliveWs(wrap(webSocket), quick, { onError });
  expect(onError).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ code: 'ERR_KEEPALIVE_NOT_TCP' }));
});

test('wrong options leave the server as it was', () => {
  const server = new WebSocketServer({ noServer: true });
  expect(() => keepAliveWs(server, { interval: 5 })).toThrow(
    expect.objectContaining({ code: 'ERR_KEEPALIVE_INVALID_OPTION' }),
  );
  expect(server.listenerCount('headers')).toBe(0);
});

function serverOf(webSocket: WsSocket) {
  return { clients: [webSocket], on() {}, removeListener() {}, handleUpgrade() {} };
}

function newServer(): WebSocketServer {
  return new WebSocketServer({ port: 0, host: '127.0.0.1' });
}

/** Greets, and echoes. */
async function echoServer(server: WebSocketServer): Promise<number> {
  server.on('connection', (socket) => {
    socket.send('welcome');
    socket.on('message', (data) => socket.send(data));
  });
  await once(server, 'listening');
  onTestFinished(() => {
    for (const socket of server.clients) socket.terminate();
    server.close();
  });
  return (server.address() as net.AddressInfo).port;
}

test('a server whose clients are no list is refused', () => {
  const server = { clients: { length: 0 }, on() {} } as unknown as WebSocketServer;
  expect(() => keepAliveWs(server, 'websocket')).toThrow(
    expect.objectContaining({ code: 'ERR_KEEPALIVE_INVALID_OPTION' }),
  );
});

async function silentHttpServer(): Promise<number> {
  const server = http.createServer();
  const upgrading: Duplex[] = [];
  server.on('upgrade', (_, socket) => upgrading.push(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    for (const socket of upgrading) socket.destroy();
    server.close();
  });
  return (server.address() as net.AddressInfo).port;
}

function newClient(port: number): WebSocket {
  const client = new WebSocket(`ws://127.0.0.1:${port}`);
  client.on('error', () => {});
  onTestFinished(() => client.terminate());
  return client;
}

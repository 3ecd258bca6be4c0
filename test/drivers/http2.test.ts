import { once } from 'node:events';
import http2 from 'node:http2';
import type net from 'node:net';
import { text } from 'node:stream/consumers';
import { keepAliveHttp2 } from 'tcp-keepalive/http2';
import { vanish } from 'tcp-keepalive/testing';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  connectedSockets,
  expectInTime,
  idleAMoment,
  proxyTo,
  quick,
  quickInKernel,
} from '../helpers/driver-under-test.ts';
import { kernelValues } from '../helpers/raw-options.ts';
import { certificate, certificateKey } from '../helpers/test-certificate.ts';

const protocols = [
  { scheme: 'http', newServer: () => http2.createServer() },
  {
    scheme: 'https',
    newServer: () => http2.createSecureServer({ cert: certificate, key: certificateKey }),
  },
];

describe.each(protocols)('keepAliveHttp2, $scheme', ({ scheme, newServer }) => {
  const connect = (port: number) => {
    const session = http2.connect(`${scheme}://127.0.0.1:${port}`, { ca: certificate });
    session.on('error', () => {});
    onTestFinished(() => session.destroy());
    return session;
  };

  test.for([
    { when: 'while it connects', isOpen: false, state: 'idle' },
    { when: 'once it is open', isOpen: true, state: 'unacknowledged' },
  ] as const)(
    'a session, called $when: held, and a vanished server is noticed in time: $state',
    async ({ isOpen, state }) => {
      const proxy = await proxyTo({ port: await listening(newServer()) });
      const opened = connectedSockets();
      const session = connect(proxy.port);
      if (isOpen) await once(session, 'connect');
      expect(keepAliveHttp2(session, quick)).toBe(session);
      for (let round = 0; round < 2; round++) {
        expect(await text(session.request({ ':path': '/' }))).toBe('here');
        await idleAMoment();
        expect(kernelValues(opened.to(proxy.port)[0] as net.Socket)).toBe(quickInKernel);
      }

      // One request waits for its answer when the server vanishes, the other is sent after that.
      const failing = () => once(session.request({ ':path': '/never' }), 'error');
      const waiting = state === 'idle' ? failing() : undefined;
      await idleAMoment();
      await proxy.vanish();
      const socket = opened.to(proxy.port)[0] as net.Socket;
      const [error] = await expectInTime(state, socket, () => waiting ?? failing());
      expect(error.code).toBe('ETIMEDOUT');
    },
  );

  test('a server: a vanished client is noticed in time', async () => {
    const server = newServer();
    expect(keepAliveHttp2(server, quick)).toBe(server);
    const port = await listening(server);
    const opened = connectedSockets();
    const accepted = once(server, 'connection') as Promise<[net.Socket]>;
    const atServer = once(server, 'session') as Promise<[http2.ServerHttp2Session]>;
    const session = connect(port);
    expect(await text(session.request({ ':path': '/' }))).toBe('here');
    await idleAMoment();

    const [socket] = await accepted;
    expect(kernelValues(socket)).toBe(quickInKernel);
    const [serverSession] = await atServer;
    vanish(opened.to(port)[0] as net.Socket);
    const [error] = await expectInTime('idle', socket, () => once(serverSession, 'error'));
    expect(error.code).toBe('ETIMEDOUT');
  });
});

test('a destroyed session is reported', async () => {
  const port = await listening(http2.createServer());
  const session = http2.connect(`http://127.0.0.1:${port}`);
  await once(session, 'connect');
  session.destroy();
  const errors: Error[] = [];
  keepAliveHttp2(session, quick, { onError: (error) => errors.push(error) });
  expect(errors).toEqual([expect.objectContaining({ code: 'ERR_KEEPALIVE_DESTROYED' })]);
});

test('wrong options throw', () => {
  expect(() => keepAliveHttp2(http2.createServer(), { count: 0 })).toThrow(
    expect.objectContaining({ code: 'ERR_KEEPALIVE_INVALID_OPTION' }),
  );
});

async function listening(server: http2.Http2Server | http2.Http2SecureServer): Promise<number> {
  const sessions: http2.ServerHttp2Session[] = [];
  server.on('session', (session) => sessions.push(session));
  server.on('sessionError', () => {});
  server.on('stream', (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => {
    stream.on('error', () => {});
    if (headers[':path'] !== '/never') stream.end('here');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  return (server.address() as net.AddressInfo).port;
}

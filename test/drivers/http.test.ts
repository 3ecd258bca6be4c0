import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import { text } from 'node:stream/consumers';
import axios from 'axios';
import { keepAliveHttp } from 'tcp-keepalive/http';
import { vanish } from 'tcp-keepalive/testing';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  connectedSockets,
  errorOf,
  expectInTime,
  idleAMoment,
  only,
  proxyTo,
  quick,
  quickInKernel,
} from '../helpers/driver-under-test.ts';
import { kernelValues } from '../helpers/raw-options.ts';
import { certificate, certificateKey } from '../helpers/test-certificate.ts';

const protocols = [
  {
    scheme: 'http',
    newServer: () => http.createServer(answer),
    newAgent: () => new http.Agent({ keepAlive: true }),
    get: http.get,
  },
  {
    scheme: 'https',
    newServer: () => https.createServer({ cert: certificate, key: certificateKey }, answer),
    newAgent: () => new https.Agent({ keepAlive: true, ca: certificate }),
    get: https.get,
  },
];

describe.each(protocols)('keepAliveHttp, $scheme', ({ scheme, newServer, newAgent, get }) => {
  test.for(['idle', 'unacknowledged'] as const)(
    'an agent: held through requests and idling, and a vanished server is noticed in time: %s',
    async (state) => {
      const proxy = await proxyTo({ port: await listening(newServer()) });
      const opened = connectedSockets();
      const agent = closedAfterTest(keepAliveHttp(newAgent(), quick));
      const request = (path: string) => get({ port: proxy.port, host: '127.0.0.1', path, agent });

      for (let round = 0; round < 2; round++) {
        const [response] = (await once(request('/'), 'response')) as [http.IncomingMessage];
        await text(response);
        await idleAMoment();
        expect(kernelValues(only(opened.to(proxy.port)))).toBe(quickInKernel);
      }

      // One request waits for its answer when the server vanishes, the other is sent after that.
      const waiting = state === 'idle' ? request('/never') : undefined;
      await idleAMoment();
      await proxy.vanish();
      const error = await expectInTime(state, only(opened.to(proxy.port)), () =>
        errorOf(once(waiting ?? request('/'), 'response')),
      );
      expect(error.code).toBe('ETIMEDOUT');
    },
  );

  test('an agent: connections that are idle already are covered', async () => {
    const port = await listening(newServer());
    const opened = connectedSockets();
    const agent = closedAfterTest(newAgent());
    const [response] = (await once(get({ port, host: '127.0.0.1', agent }), 'response')) as [
      http.IncomingMessage,
    ];
    await text(response);
    await idleAMoment();
    const socket = only(opened.to(port));
    expect(kernelValues(socket)).not.toBe(quickInKernel);
    keepAliveHttp(agent, quick);
    expect(kernelValues(socket)).toBe(quickInKernel);
  });

  test('an agent: connections that are in use already are covered', async () => {
    const server = newServer();
    const port = await listening(server);
    const opened = connectedSockets();
    const agent = closedAfterTest(newAgent());
    const asked = once(server, 'request');
    get({ port, host: '127.0.0.1', path: '/never', agent }).on('error', () => {});
    await asked;
    const socket = only(opened.to(port));
    expect(kernelValues(socket)).not.toBe(quickInKernel);
    keepAliveHttp(agent, quick);
    expect(kernelValues(socket)).toBe(quickInKernel);
  });

  test('axios, which sets its own on each request', async () => {
    const port = await listening(newServer());
    const opened = connectedSockets();
    const agent = closedAfterTest(keepAliveHttp(newAgent(), quick));
    for (let round = 0; round < 3; round++) {
      const { data } = await axios.get(`${scheme}://127.0.0.1:${port}/`, {
        httpAgent: agent,
        httpsAgent: agent,
      });
      expect(data).toBe('here');
      await idleAMoment();
      expect(kernelValues(only(opened.to(port)))).toBe(quickInKernel);
    }
  });

  test('a server: a vanished client is noticed in time', async () => {
    const server = keepAliveHttp(newServer(), quick);
    const port = await listening(server);
    const opened = connectedSockets();
    const agent = closedAfterTest(newAgent());
    const accepted = once(server, 'connection') as Promise<[net.Socket]>;
    const request = get({ port, host: '127.0.0.1', agent });
    request.on('error', () => {});
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    await text(response);
    await idleAMoment();

    const [socket] = await accepted;
    expect(kernelValues(socket)).toBe(quickInKernel);
    const waiting = get({ port, host: '127.0.0.1', path: '/never', agent });
    waiting.on('error', () => {});
    await idleAMoment();
    vanish(only(opened.to(port)));
    const [error] = (await expectInTime('idle', socket, () => once(server, 'clientError'))) as [
      NodeJS.ErrnoException,
    ];
    expect(error.code).toBe('ETIMEDOUT');
  });
});

test('an agent that hands its connections over later, as one through a proxy does', async () => {
  const port = await listening(http.createServer(answer));
  const opened = connectedSockets();
  const agent = closedAfterTest(new http.Agent({ keepAlive: true }));
  Object.assign(agent, {
    createConnection(_options: object, connected: (error: Error | null, socket: net.Socket) => void) {
      setImmediate(() => connected(null, net.connect(port, '127.0.0.1')));
    },
  });
  keepAliveHttp(agent, quick);
  const [response] = (await once(http.get({ port, host: '127.0.0.1', agent }), 'response')) as [
    http.IncomingMessage,
  ];
  await text(response);
  await idleAMoment();
  expect(kernelValues(only(opened.to(port)))).toBe(quickInKernel);
});

test('wrong options leave the agent as it was', () => {
  const agent = new http.Agent();
  expect(() => keepAliveHttp(agent, { count: 0 })).toThrow(
    expect.objectContaining({ code: 'ERR_KEEPALIVE_INVALID_OPTION' }),
  );
  expect(Object.hasOwn(agent, 'createConnection')).toBe(false);
});

function answer(request: http.IncomingMessage, response: http.ServerResponse): void {
  if (request.url !== '/never') response.end('here');
}

async function listening(server: http.Server): Promise<number> {
  server.on('clientError', (_error, socket) => socket.destroy());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as net.AddressInfo).port;
}

function closedAfterTest<A extends http.Agent>(agent: A): A {
  onTestFinished(() => agent.destroy());
  return agent;
}

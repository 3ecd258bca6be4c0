import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { keepAliveUndici, type UndiciConnector } from 'tcp-keepalive/undici';
import { Agent, request } from 'undici';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
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

const pem = { cert: certificate, key: certificateKey };
const connect = { ca: certificate };
const servers = [
  { name: 'http', scheme: 'http', newServer: () => http.createServer(answer), config: {} },
  { name: 'https', scheme: 'https', newServer: () => https.createServer(pem, answer), config: { connect } },
  {
    name: 'HTTP/2',
    scheme: 'https',
    newServer: () => http2.createSecureServer({ ...pem, allowHTTP1: false }, answer as never),
    config: { connect, allowH2: true },
  },
];

describe.each(servers)('keepAliveUndici, $name', ({ scheme, newServer, config }) => {
  test.for(['idle', 'unacknowledged'] as const)(
    'request: held through requests and idling, and a vanished server is noticed in time: %s',
    async (state) => {
      const proxy = await proxyTo({ port: await listening(newServer()) });
      const opened = connectedSockets();
      const dispatcher = closedAfterTest(new Agent(keepAliveUndici(config, quick)));
      const url = `${scheme}://127.0.0.1:${proxy.port}`;
      for (let round = 0; round < 2; round++) {
        const { body } = await request(url, { dispatcher });
        expect(await body.text()).toBe('here');
        await idleAMoment();
        expect(kernelValues(only(opened.to(proxy.port)))).toBe(quickInKernel);
      }

      // One request waits for its answer when the server vanishes, the other is sent after that.
      const waiting = state === 'idle' ? errorOf(request(`${url}/never`, { dispatcher })) : undefined;
      await idleAMoment();
      await proxy.vanish();
      const error = await expectInTime(
        state,
        only(opened.to(proxy.port)),
        () => waiting ?? errorOf(request(url, { dispatcher })),
      );
      expect(error.code).toBe('ETIMEDOUT');
    },
  );
});

test('fetch: held, and a vanished server is noticed in time', async () => {
  const proxy = await proxyTo({ port: await listening(http.createServer(answer)) });
  const opened = connectedSockets();
  const dispatcher = closedAfterTest(new Agent(keepAliveUndici({ connections: 1 }, quick)));
  const get = (path: string) =>
    fetch(`http://127.0.0.1:${proxy.port}${path}`, { dispatcher } as unknown as RequestInit);
  expect(await (await get('/')).text()).toBe('here');
  await idleAMoment();
  expect(kernelValues(only(opened.to(proxy.port)))).toBe(quickInKernel);

  const failing = errorOf(get('/never'));
  await idleAMoment();
  await proxy.vanish();
  const error = await expectInTime('idle', only(opened.to(proxy.port)), () => failing);
  expect(error.cause).toMatchObject({ code: 'ETIMEDOUT' });
});

test("the caller's own connect function is called, and its options are left as they were", async () => {
  const port = await listening(http.createServer(answer));
  const opened = connectedSockets();
  const endpoints: object[] = [];
  const own: UndiciConnector = (endpoint, connected) => {
    endpoints.push(endpoint);
    const socket = net.connect(port, '127.0.0.1', () => connected(null, socket));
  };
  const config = Object.freeze({ connect: own, pipelining: 1 });
  const copy = keepAliveUndici(config, quick);
  expect(copy.pipelining).toBe(1);
  expect(config.connect).toBe(own);
  const dispatcher = closedAfterTest(new Agent(copy));
  const { body } = await request('http://service.example', { dispatcher });
  expect(await body.text()).toBe('here');
  expect(endpoints).toEqual([expect.objectContaining({ hostname: 'service.example' })]);
  expect(kernelValues(only(opened.to(port)))).toBe(quickInKernel);
});

test("the `tls` that undici's types no longer have is taken all the same", async () => {
  const port = await listening(https.createServer(pem, answer));
  const opened = connectedSockets();
  const dispatcher = closedAfterTest(new Agent(keepAliveUndici({ tls: connect } as Agent.Options, quick)));
  const { body } = await request(`https://127.0.0.1:${port}`, { dispatcher });
  expect(await body.text()).toBe('here');
  expect(kernelValues(only(opened.to(port)))).toBe(quickInKernel);
});

test.each([
  { cache: "undici's own", config: {}, reused: [false, true] },
  { cache: 'none, by maxCachedSessions', config: { maxCachedSessions: 0 }, reused: [false, false] },
])('TLS sessions are cached as undici was told to: $cache', async ({ config, reused }) => {
  const server = https.createServer(pem, (_request, response) => {
    response.setHeader('connection', 'close').end('here');
  });
  const resumed: boolean[] = [];
  server.on('secureConnection', (socket) => resumed.push(socket.isSessionReused()));
  const url = `https://127.0.0.1:${await listening(server)}`;
  const dispatcher = closedAfterTest(new Agent(keepAliveUndici({ connect, ...config }, quick)));
  for (const _ of reused) await (await request(url, { dispatcher })).body.text();
  expect(resumed).toEqual(reused);
});

test("connecting is bounded by undici's connectTimeout", async () => {
  const silent = net.createServer((socket) => socket.on('error', () => {}));
  const url = `https://127.0.0.1:${await listening(silent)}`;
  const dispatcher = closedAfterTest(new Agent(keepAliveUndici({ connectTimeout: 300 }, quick)));
  const error = await errorOf(request(url, { dispatcher }));
  expect(error).toMatchObject({
    code: 'UND_ERR_CONNECT_TIMEOUT',
    message: expect.stringContaining(' 300ms'),
  });
});

test('addresses are tried as undici was told to', async () => {
  const port = await listening(http.createServer(answer));
  const connect = vi.spyOn(net, 'connect');
  onTestFinished(() => connect.mockRestore());
  const own = { autoSelectFamily: true, autoSelectFamilyAttemptTimeout: 1_234 };
  const dispatcher = closedAfterTest(new Agent(keepAliveUndici(own, quick)));
  await (await request(`http://127.0.0.1:${port}`, { dispatcher })).body.text();
  expect(connect).toHaveBeenCalledExactlyOnceWith(expect.objectContaining(own));
});

test.skipIf(process.platform === 'win32')('a Unix socket works as before, and onError is told', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'tcp-keepalive-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const socketPath = path.join(folder, 'socket');
  const server = http.createServer(answer).listen(socketPath);
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const onError = vi.fn();
  const dispatcher = closedAfterTest(new Agent(keepAliveUndici({ socketPath }, quick, { onError })));
  const { body } = await request('http://service.example', { dispatcher });
  expect(await body.text()).toBe('here');
  expect(onError).toHaveBeenCalledWith(expect.objectContaining({ code: 'ERR_KEEPALIVE_NOT_TCP' }));
});

test('a connection that cannot be made fails as without', async () => {
  const dispatcher = closedAfterTest(new Agent(keepAliveUndici({}, quick)));
  const closed = net.createServer().listen(0, '127.0.0.1');
  await once(closed, 'listening');
  const { port } = closed.address() as net.AddressInfo;
  closed.close();
  const error = await errorOf(request(`http://127.0.0.1:${port}`, { dispatcher }));
  expect(error.code).toBe('ECONNREFUSED');
});

test('a dispatcher in place of its options is refused, since it would stay as it is', () => {
  const dispatcher = closedAfterTest(new Agent());
  expect(() => keepAliveUndici(dispatcher, quick)).toThrow(
    expect.objectContaining({
      code: 'ERR_KEEPALIVE_INVALID_OPTION',
      message:
        'Expected the options of a dispatcher of undici, got an object of class Agent; give it the copy that this returns',
    }),
  );
});

test('wrong options throw', () => {
  expect(() => keepAliveUndici({}, { count: 0 })).toThrow(
    expect.objectContaining({ code: 'ERR_KEEPALIVE_INVALID_OPTION' }),
  );
});

function answer(request: http.IncomingMessage, response: http.ServerResponse): void {
  if (request.url !== '/never') response.end('here');
}

async function listening(server: net.Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return (server.address() as net.AddressInfo).port;
}

function closedAfterTest(agent: Agent): Agent {
  onTestFinished(() => agent.destroy());
  return agent;
}

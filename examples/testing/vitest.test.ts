// How do I test with vitest that a client notices a vanished server, and goes on with the next one?
import { once } from 'node:events';
import http from 'node:http';
import type net from 'node:net';
import { keepAliveHttp } from 'tcp-keepalive/http';
import { expectDetection, vanishingProxy } from 'tcp-keepalive/testing';
import { expect, test } from 'vitest';

// Short, so that the test is: data in flight is given up after about 3 s. Kernels count in seconds.
const options = { initialDelay: 1_000, interval: 1_000, count: 2, userTimeout: 'auto' } as const;

test('a request to a vanished server fails in time, and the next one is answered', {
  timeout: 30_000,
}, async () => {
  const server = http.createServer((_, response) => response.end('hello')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy = await vanishingProxy({ to: (server.address() as net.AddressInfo).port });
  const agent = keepAliveHttp(new http.Agent({ keepAlive: true }), options);
  const get = () => once(http.get({ port: proxy.port, host: '127.0.0.1', agent }), 'response');
  try {
    const [response] = await get();
    await once(response.resume(), 'end');

    await proxy.vanish();
    const error = await expectDetection(get(), options, { state: 'unacknowledged' });
    expect(error).toMatchObject({ code: 'ETIMEDOUT' });

    await proxy.restore();
    const [next] = await get();
    expect(next.statusCode).toBe(200);
  } finally {
    agent.destroy();
    await proxy.close();
    server.close();
  }
});

// How do I test with jest that a client notices a vanished server, and goes on with the next one?
const { once } = require('node:events');
const http = require('node:http');
const { afterAll, beforeAll, expect, test } = require('@jest/globals');
const { keepAliveHttp } = require('tcp-keepalive/http');
const { expectDetection, vanishingProxy } = require('tcp-keepalive/testing');

// Short, so that the test is: data in flight is given up after about 3 s. Kernels count in seconds.
const options = { initialDelay: 1_000, interval: 1_000, count: 2, userTimeout: 'auto' };

const server = http.createServer((_, response) => response.end('hello'));
const agent = keepAliveHttp(new http.Agent({ keepAlive: true }), options);
let proxy;

beforeAll(async () => {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  proxy = await vanishingProxy({ to: server.address().port });
});

afterAll(async () => {
  agent.destroy();
  await proxy.close();
  server.close();
});

const get = () => once(http.get({ port: proxy.port, host: '127.0.0.1', agent }), 'response');

test('a request to a vanished server fails in time, and the next one is answered', async () => {
  const [response] = await get();
  await once(response.resume(), 'end');

  await proxy.vanish();
  const error = await expectDetection(get(), options, { state: 'unacknowledged' });
  expect(error).toMatchObject({ code: 'ETIMEDOUT' });

  await proxy.restore();
  const [next] = await get();
  expect(next.statusCode).toBe(200);
}, 30_000);

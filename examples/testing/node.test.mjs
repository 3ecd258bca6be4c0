// How do I test with node:test that a client notices a vanished server, and goes on with the next one?
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { test } from 'node:test';
import { keepAliveHttp } from 'tcp-keepalive/http';
import { expectDetection, vanishingProxy } from 'tcp-keepalive/testing';

// Short, so that the test is: data in flight is given up after about 3 s. Kernels count in seconds.
const options = { initialDelay: 1_000, interval: 1_000, count: 2, userTimeout: 'auto' };

test('a request to a vanished server fails in time, and the next one is answered', async (t) => {
  const server = http.createServer((_, response) => response.end('hello')).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const proxy = await vanishingProxy({ to: server.address().port });
  t.after(() => proxy.close());
  const agent = keepAliveHttp(new http.Agent({ keepAlive: true }), options);
  t.after(() => agent.destroy());
  const get = () => once(http.get({ port: proxy.port, host: '127.0.0.1', agent }), 'response');
  const [response] = await get();
  await once(response.resume(), 'end');

  await proxy.vanish();
  const error = await expectDetection(get(), options, { state: 'unacknowledged' });
  assert.equal(error.code, 'ETIMEDOUT');

  await proxy.restore();
  const [next] = await get();
  assert.equal(next.statusCode, 200);
});

import http from 'node:http';
import { expect, test } from 'vitest';
import { describeWithServer } from '../helpers/describe-with-server.ts';
import { errorOf, proxyTo } from '../helpers/driver-under-test.ts';
import { listen } from '../helpers/listen.ts';
import { postgres } from '../helpers/start-postgres.ts';
import { runProgram } from './program.ts';

// The programs of docs/guides/when-not-to.md set no option: they have a deadline, here a shorter one.

const guide = 'when-not-to.md';
const heading = 'Short request and response: close, do not probe';
const deadline = { '5_000': '1_000' };
const soon = 5_000;

test('a request with a deadline is answered, and fails when its server has vanished', async () => {
  const proxy = await proxyTo({
    port: await listen(http.createServer((_, response) => response.end('hello'))),
  });
  const { ask } = await runProgram<{ ask(url: string): Promise<string> }>(guide, heading, {
    replaced: deadline,
  });
  const url = `http://127.0.0.1:${proxy.port}`;
  expect(await ask(url)).toBe('hello');
  await proxy.vanish();
  const began = performance.now();
  expect(await errorOf(ask(url))).toMatchObject({ name: 'TimeoutError' });
  expect(performance.now() - began).toBeLessThan(soon);
});

describeWithServer('a query with a deadline', postgres, (server) => {
  test('is answered, and fails when its server has vanished', async () => {
    const proxy = await proxyTo(server());
    const { user, password, database } = server();
    const { once } = await runProgram<{ once(sql: string): Promise<unknown[]> }>(guide, heading, {
      environment: { DATABASE_URL: `postgres://${user}:${password}@127.0.0.1:${proxy.port}/${database}` },
      replaced: deadline,
      index: 1,
    });
    expect(await once('SELECT 1 AS one')).toEqual([{ one: 1 }]);
    const pending = errorOf(once('SELECT pg_sleep(60)'));
    const began = performance.now();
    expect((await pending).message).toMatch(/timeout/);
    await proxy.vanish();
    expect((await errorOf(once('SELECT 1'))).message).toMatch(/timeout/);
    expect(performance.now() - began).toBeLessThan(soon);
    await proxy.restore();
  });
});

import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import { type VanishingProxy, vanishingProxy } from 'tcp-keepalive/testing';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { listen } from '../helpers/listen.ts';
import { PATIENCE } from '../helpers/patience.ts';
import { certificate, certificateKey } from '../helpers/test-certificate.ts';

/** A proxy before a server that sends everything back, until the test ends. */
async function proxyToEcho(server = net.createServer(), event = 'connection'): Promise<VanishingProxy> {
  server.on(event, (socket: net.Socket) => socket.pipe(socket));
  return proxyTo(await listen(server));
}

async function proxyTo(to: number): Promise<VanishingProxy> {
  const proxy = await vanishingProxy({ to });
  onTestFinished(() => proxy.close());
  return proxy;
}

function connect(proxy: VanishingProxy): net.Socket {
  const client = net.connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true });
  onTestFinished(() => void client.destroy());
  return client;
}

async function ask(client: net.Socket, question: string): Promise<string> {
  client.write(question);
  const [answer] = await once(client, 'data');
  return String(answer);
}

async function connected(proxy: VanishingProxy): Promise<net.Socket> {
  const client = connect(proxy);
  expect(await ask(client, 'before')).toBe('before');
  return client;
}

/** What a socket emits from now on. */
function newsOf(client: net.Socket): string[] {
  const news: string[] = [];
  for (const event of ['connect', 'data', 'end', 'close'])
    client.on(event, (what) => news.push(`${event} ${what ?? ''}`));
  client.on('error', ({ code }: NodeJS.ErrnoException) => news.push(`error ${code}`));
  return news;
}

const sleep = (time: number) => new Promise((resolve) => setTimeout(resolve, time));

describe.runIf(process.platform === 'linux')('vanishingProxy', () => {
  test('is silent to old and new clients while it has vanished, and loses nothing', async () => {
    const proxy = await proxyToEcho();
    const client = await connected(proxy);
    client.write('under way');
    await proxy.vanish();
    const news = newsOf(client);
    client.write(', meanwhile');
    const lateNews = newsOf(connect(proxy));
    await sleep(500);
    expect([...news, ...lateNews]).toEqual([]);

    await proxy.restore();
    // The kernel sends both again by itself, after at most a second.
    await vi.waitFor(() => expect(lateNews).toEqual(['connect ']), PATIENCE);
    await vi.waitFor(
      () => expect(news.join('').replaceAll('data ', '')).toBe('under way, meanwhile'),
      PATIENCE,
    );
    expect(await ask(client, 'after')).toBe('after');
    expect(proxy.connections.size).toBe(2);
  });

  test('its server’s own end is not heard either while it has vanished', async () => {
    const server = net.createServer();
    const accepted = once(server, 'connection') as Promise<[net.Socket]>;
    const proxy = await proxyTo(await listen(server));
    const client = connect(proxy);
    const [atServer] = await accepted;
    await proxy.vanish();
    const news = newsOf(client);
    atServer.end('farewell');
    await sleep(300);
    expect(news).toEqual([]);
    await proxy.restore();
    await vi.waitFor(() => expect(news).toEqual(['data farewell', 'end ']), PATIENCE);
  });

  test('carries TLS', async () => {
    const server = tls.createServer({ cert: certificate, key: certificateKey });
    const proxy = await proxyToEcho(server, 'secureConnection');
    const client = tls.connect({
      port: proxy.port,
      host: '127.0.0.1',
      ca: certificate,
      servername: 'localhost',
    });
    onTestFinished(() => void client.destroy());
    expect(await ask(client, 'secret')).toBe('secret');
    await proxy.vanish();
    const news = newsOf(client);
    client.write('later');
    await sleep(300);
    expect(news).toEqual([]);
    await proxy.restore();
    await vi.waitFor(() => expect(news).toEqual(['data later']), PATIENCE);
  });

  test.each(['from the beginning', 'after it had vanished'])(
    'resets what is connected and refuses what is not: %s',
    async (when) => {
      const proxy = await proxyToEcho();
      const news = newsOf(await connected(proxy));
      if (when !== 'from the beginning') await proxy.vanish();
      proxy.refuse();
      await vi.waitFor(() => expect(news).toEqual(['error ECONNRESET', 'close true']), PATIENCE);
      const late = newsOf(connect(proxy));
      await vi.waitFor(() => expect(late).toEqual(['error ECONNREFUSED', 'close true']), PATIENCE);

      await proxy.restore();
      await connected(proxy);
    },
  );

  test('vanishes after it has refused: then nothing is answered', async () => {
    const proxy = await proxyToEcho();
    proxy.refuse();
    await proxy.vanish();
    const news = newsOf(connect(proxy));
    await sleep(300);
    expect(news).toEqual([]);
  });

  test('delivers later in each direction, in order, and at once again', async () => {
    const proxy = await proxyToEcho();
    const client = await connected(proxy);
    proxy.delay(200);
    const begin = performance.now();
    expect(await ask(client, 'one')).toBe('one');
    expect(performance.now() - begin).toBeGreaterThanOrEqual(398);
    client.write('slow ');
    await sleep(20);
    proxy.delay(0);
    let heard = '';
    client.on('data', (chunk) => {
      heard += chunk;
    });
    client.write('fast');
    await vi.waitFor(() => expect(heard).toBe('slow fast'), PATIENCE);
    const again = performance.now();
    await ask(client, 'two');
    expect(performance.now() - again).toBeLessThan(180);
  });

  test('carries as much as is read, the end of each direction, and many bytes', async () => {
    const bytes = 20_000_000;
    const server = net.createServer({ allowHalfOpen: true }, (socket) => {
      let received = 0;
      socket.on('data', (chunk) => {
        received += chunk.length;
      });
      socket.on('end', () => socket.end(`${received} received`));
    });
    const proxy = await proxyTo(await listen(server));
    const client = connect(proxy);
    client.end(Buffer.alloc(bytes));
    expect(String(Buffer.concat(await client.toArray()))).toBe(`${bytes} received`);
    await vi.waitFor(() => expect(proxy.connections.size).toBe(0), PATIENCE);
  });

  test('a slow reader slows its writer down', async () => {
    const server = net.createServer({ pauseOnConnect: true });
    const proxy = await proxyTo(await listen(server));
    const client = connect(proxy);
    client.write(Buffer.alloc(100_000_000));
    await sleep(500);
    // What kernels and streams hold of it.
    expect(client.writableLength).toBeGreaterThan(50_000_000);
    expect(process.memoryUsage().arrayBuffers).toBeLessThan(150_000_000);
  });

  test('a server that is not there ends the connection', async () => {
    const proxy = await proxyTo(1);
    const news = newsOf(connect(proxy));
    await vi.waitFor(() => expect(news).toEqual(['connect ', 'end ']), PATIENCE);
  });

  test.each([
    [{}, '`to`'],
    [{ to: 0 }, 'from 1 to 65535'],
    [{ to: { port: 5432, host: 1 } }, "a host's name"],
    [{ to: 5432, prot: 1 }, 'got `prot`'],
  ])('refuses %j', async (options, expected) => {
    const message = expect.stringContaining(expected);
    await expect(vanishingProxy(options as never)).rejects.toMatchObject({
      code: 'ERR_KEEPALIVE_INVALID_OPTION',
      message,
    });
  });
});

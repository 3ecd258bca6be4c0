import { execFile } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { keepAlive } from 'tcp-keepalive';
import { vanishingProxy } from 'tcp-keepalive/testing';
import { expect, onTestFinished, test, vi } from 'vitest';
import { connection } from '../helpers/connection.ts';
import { describeWithServer } from '../helpers/describe-with-server.ts';
import { PATIENCE } from '../helpers/patience.ts';
import { fixtureArguments } from '../helpers/run-fixture.ts';
import { postgres } from '../helpers/start-postgres.ts';
import { redis } from '../helpers/start-redis.ts';

const BY_RULE = (port: number) => `the rule ${port}=initialDelay=1s,interval=1s,count=1`;
const ADD_LISTENER =
  "nobody listens for its 'error' event. Add a listener to the pool, client or socket that emits it: " +
  "pool.on('error', (error) => ...)";

test.concurrent.each([
  { by: 'rule', kind: 'tcp', host: '127.0.0.1', holder: BY_RULE },
  { by: 'rule', kind: 'name', host: 'localhost', holder: BY_RULE },
  { by: 'rule', kind: 'tls', host: '127.0.0.1', holder: BY_RULE },
  { by: 'rule', kind: 'starttls', host: '127.0.0.1', holder: BY_RULE },
  { by: 'keepAlive', kind: 'tcp', host: '127.0.0.1', holder: () => 'keepAlive' },
  { by: 'keepAlive', kind: 'starttls', host: '127.0.0.1', holder: () => 'keepAlive' },
])(
  'a process that ends because nobody hears of a lost connection says which one: $by, $kind',
  async ({ by, kind, host, holder }) => {
    const { code, told, lines, err } = await run(by, kind, 'unheard');
    const port = Number(told[0]);
    expect(lines).toEqual([
      `tcp-keepalive: the connection to ${host}:${port}, held by ${holder(port)}, failed (read ETIMEDOUT), and ` +
        ADD_LISTENER,
    ]);
    expect(code).toBe(1);
    expect(err).toContain("Emitted 'error' event at:");
  },
);

test.concurrent.each(['keepAlive', 'keepAlive at its connect'])(
  'a connection that its program gives up is told too, and not another that it takes with it, by %s',
  async (by) => {
    const { code, told, lines } = await run(by, 'tcp', 'given up');
    expect(lines).toEqual([
      `tcp-keepalive: the connection to 127.0.0.1:${told[0]}, held by keepAlive, failed (no answer), and ${ADD_LISTENER}`,
    ]);
    expect(code).toBe(1);
  },
);

test.concurrent('a rejected promise that nobody handles is told as such', async () => {
  const { code, lines } = await run('rule', 'tcp', 'rejected');
  expect(lines).toEqual([
    expect.stringMatching(
      /^tcp-keepalive: the connection .* failed \(read ETIMEDOUT\), and nobody handles the promise that it rejected/,
    ),
  ]);
  expect(code).toBe(1);
});

test.concurrent('a process with a handler of its own goes on, and the one line does not say that it ends', async () => {
  const { code, lines } = await run('rule', 'tcp', 'handler');
  expect(lines).toEqual([expect.stringContaining(ADD_LISTENER)]);
  expect(code).toBe(4);
});

test.concurrent('a worker thread that ends says so, and the process goes on', async () => {
  const { code, told, lines } = await run('rule', 'tcp', 'worker');
  expect(lines).toEqual([expect.stringContaining(ADD_LISTENER)]);
  expect(told).toContain('worker: read ETIMEDOUT');
  expect(code).toBe(0);
});

test.concurrent.each([
  { by: 'rule', heard: 'heard', code: 3 },
  { by: 'rule', heard: 'thrown', code: 1 },
  { by: 'setKeepAlive', heard: 'unheard', code: 1 },
  { by: 'an ended hold', heard: 'given up', code: 1 },
])('nothing is said of a connection of $by whose error is $heard', async ({ by, heard, code }) => {
  const ended = await run(by, 'tcp', heard);
  expect(ended.err).not.toContain('tcp-keepalive:');
  expect(ended.code).toBe(code);
});

test('a connection that ends without an error ends in silence', async () => {
  const warn = vi.spyOn(process, 'emitWarning');
  onTestFinished(() => warn.mockRestore());
  const socket = keepAlive(await connection(), 'database');
  socket.destroy();
  await once(socket, 'close');
  expect(warn).not.toHaveBeenCalled();
});

test('a hold leaves no listener for errors on the socket', async () => {
  const socket = await connection();
  const before = socket.eventNames();
  keepAlive(socket, 'database');
  const own = socket.eventNames().filter((name) => !before.includes(name));
  expect(own.sort()).toEqual(['connect', 'connectionAttempt']);
});

describeWithServer('a pool of pg whose server vanishes, without a listener', postgres, (server) => {
  test.concurrent.each([
    { by: 'rule', tls: false },
    { by: 'rule', tls: true },
    { by: 'module', tls: false },
    { by: 'module', tls: true },
  ])('by $by, TLS: $tls', async ({ by, tls }) => {
    const { user, password, database, tlsCa } = server();
    const login = { user, password, database, ca: tls ? tlsCa : undefined };
    const { code, port, lines, err } = await runClient({ driver: 'pg', by, ...login }, server());
    const holder = by === 'rule' ? BY_RULE(port) : 'keepAlivePg';
    expect(lines).toEqual([
      `tcp-keepalive: the connection to 127.0.0.1:${port}, held by ${holder}, failed (read ETIMEDOUT), and ${ADD_LISTENER}`,
    ]);
    expect(code).toBe(1);
    expect(err).toContain("Emitted 'error' event on BoundPool instance at:");
  });
});

describeWithServer('a client of node-redis whose server vanishes, without a listener', redis, (server) => {
  test('by rule', async () => {
    const { user, password } = server();
    const { code, port, lines } = await runClient({ driver: 'redis', by: 'rule', user, password }, server());
    expect(lines).toEqual([
      `tcp-keepalive: the connection to 127.0.0.1:${port}, held by ${BY_RULE(port)}, failed (read ETIMEDOUT), and ${ADD_LISTENER}`,
    ]);
    expect(code).toBe(1);
  });
});

/** Runs a client behind a proxy, which vanishes when the client is idle. */
async function runClient(client: object, target: { port: number }): Promise<Ended & { port: number }> {
  const proxy = await vanishingProxy({ to: target.port });
  const control = net.createServer((socket) => {
    void proxy.vanish().then(() => socket.destroy());
  });
  await once(control.listen(0, '127.0.0.1'), 'listening');
  const { port: vanish } = control.address() as net.AddressInfo;
  const { port } = proxy;
  try {
    const args = await fixtureArguments('unheard-client.ts', JSON.stringify({ ...client, port, vanish }));
    return { ...(await ended(args)), port };
  } finally {
    control.close();
    await proxy.close();
  }
}

interface Ended {
  readonly code: number;
  /** What the program printed. */
  readonly told: readonly unknown[];
  readonly err: string;
  /** The lines of `err` that this library wrote. */
  readonly lines: readonly string[];
}

async function run(by: string, kind: string, heard: string): Promise<Ended> {
  return ended(await fixtureArguments('unheard.ts', by, kind, heard));
}

function ended(args: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, args, { timeout: PATIENCE }, (error, out, err) => {
      const told = out
        .split('\n')
        .filter(Boolean)
        .map((line): unknown => JSON.parse(line));
      const lines = err.split('\n').filter((line) => line.startsWith('tcp-keepalive:'));
      resolve({ code: error === null ? 0 : Number(error.code), told, err, lines });
    });
  });
}

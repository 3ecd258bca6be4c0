import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import net from 'node:net';
import tls from 'node:tls';
import {
  applyToProcess,
  type ConnectionInDrill,
  type DrillBehaviour,
  type DrillReport,
  drillProcess,
  listConnections,
} from 'tcp-keepalive/machine';
import { describe, expect, test, vi } from 'vitest';
import { Drill } from '../../src/machine/drill.ts';
import { identify } from '../../src/machine/process.ts';
import { LATENESS } from '../../src/testing/expect-within.ts';
import { describeWhereInstalled } from '../helpers/describe-with-server.ts';
import { openTo } from '../helpers/listen.ts';
import {
  type Clients,
  clientsOf,
  listenForAll,
  missingPython,
  pythonProgram,
  startProcess,
} from '../helpers/other-process.ts';
import { PATIENCE } from '../helpers/patience.ts';
import { certificate, certificateKey } from '../helpers/test-certificate.ts';

const isLinux = process.platform === 'linux';

// They wait for the kernel, all of them at once.
vi.setConfig({ maxConcurrency: 8 });

const quick = { initialDelay: 1_000, interval: 1_000, count: 2, userTimeout: 2_500 };

async function quickClients(count: number, host?: string): Promise<Clients> {
  const clients = await clientsOf(count, host);
  await applyToProcess(clients.pid, { remote: clients.port }, quick);
  return clients;
}

const drill = ({ pid, port }: { pid: number; port: number }, behaviour?: DrillBehaviour) =>
  drillProcess(pid, { remote: port }, behaviour);

function expectNoticed({ connections }: DrillReport, count: number): void {
  expect(connections).toHaveLength(count);
  for (const { verdict, noticedAfter = 0, predicted } of connections) {
    expect(verdict).toBe('noticed');
    expect(noticedAfter).toBeGreaterThan(predicted.earliest - 50);
    expect(noticedAfter).toBeLessThan(predicted.latest + LATENESS);
  }
}

/** Waits until a drill has made connections deaf. */
async function begun(looks: readonly unknown[]): Promise<void> {
  await vi.waitFor(() => expect(looks).not.toHaveLength(0), PATIENCE);
}

describe.runIf(isLinux).concurrent('drillProcess', () => {
  test('the process notices in time, and connects again', async () => {
    const clients = await quickClients(3);
    clients.tell('reconnects = true');
    const looks: (readonly ConnectionInDrill[])[] = [];
    const report = await drill(clients, { onLook: (connections) => looks.push(connections) });
    expectNoticed(report, 3);
    expect(report.connections[0]?.remote).toEqual({ address: '127.0.0.1', port: clients.port });
    await clients.says('error ETIMEDOUT');
    const noticed = Math.min(...report.connections.map(({ noticedAfter = 0 }) => noticedAfter));
    expect(report.recoveredAfter).toBeGreaterThan(noticed);
    // A busy machine may look too late for one of the states.
    const unanswered = looks.map(([first]) => first?.unansweredProbes ?? 0);
    expect(unanswered[0]).toBe(0);
    expect(Math.max(...unanswered)).toBeGreaterThan(0);
    // The new ones hear.
    expect((await listConnections({ remote: clients.port, pid: clients.pid })).length).toBeGreaterThan(0);
    clients.accepted.at(-1)?.write('x');
  });

  test.each(['::1', '::ffff:127.0.0.1'])('on a socket of IPv6: %s', async (host) => {
    const clients = await quickClients(1, host);
    expectNoticed(await drillProcess(clients.pid, { remote: `[${host}]:${clients.port}` }), 1);
  });

  test('of TLS', async () => {
    const server = tls.createServer({ key: certificateKey, cert: certificate }, (socket) => {
      socket.on('error', () => {}).resume();
    });
    const port = await listenForAll(server);
    const program = `
      const socket = require('node:tls').connect({ port: ${port}, host: '127.0.0.1', rejectUnauthorized: false });
      socket.on('secureConnect', () => console.log('secure')).on('error', (error) => console.log(error.code)).resume();
      setInterval(() => {}, 1_000);
    `;
    const client = startProcess([process.execPath, '-e', program]);
    await client.says('secure');
    await applyToProcess(client.pid, { remote: port }, quick);
    expectNoticed(await drill({ pid: client.pid, port }), 1);
    await client.says('ETIMEDOUT');
  });

  test('a process that writes into the silence is expected to notice after its write', async () => {
    const clients = await clientsOf(1);
    const options = { initialDelay: 4_000, interval: 1_000, count: 3, userTimeout: 3_000 };
    await applyToProcess(clients.pid, { remote: clients.port }, options);
    const looks: (readonly ConnectionInDrill[])[] = [];
    const running = drill(clients, { for: 20_000, onLook: (connections) => looks.push(connections) });
    await begun(looks);
    clients.tell('open(0).write("into the silence")');
    const report = await running;
    expectNoticed(report, 1);
    // An idle connection would be dropped after five seconds.
    expect(report.connections[0]?.predicted.latest).toBeLessThan(4_500);
    expect(looks.flat().some(({ retransmissions }) => retransmissions > 1)).toBe(true);
  });

  test('a process that does not read is told from one that is not told by its kernel', async () => {
    const clients = await quickClients(2);
    clients.tell('open(0).pause()._handle.readStop(); process.stdout.write("paused")');
    await clients.says('paused');
    await applyToProcess(
      clients.pid,
      { remote: clients.port },
      { ...quick, initialDelay: 2_000, userTimeout: 0 },
    );
    const { connections, recoveredAfter } = await drill(clients, { for: 6_000 });
    expect(connections.map(({ verdict }) => verdict).sort()).toEqual(['notReading', 'noticed']);
    const notReading = connections.find(({ verdict }) => verdict === 'notReading');
    expect(notReading).not.toHaveProperty('noticedAfter');
    expect(notReading?.gaveUpAfter).toBeGreaterThan((notReading?.predicted.earliest ?? Number.NaN) - 50);
    expect(recoveredAfter).toBeNull();
  });

  test('without keepalive nothing is noticed, and the connection goes on afterwards', async () => {
    const clients = await clientsOf(1);
    const report = await drill(clients, { for: 1_500 });
    expect(report).toEqual({
      connections: [
        {
          remote: { address: '127.0.0.1', port: clients.port },
          verdict: 'notNoticed',
          predicted: { earliest: Infinity, nominal: Infinity, latest: Infinity },
        },
      ],
      recoveredAfter: null,
    });
    await expectHears(clients);
  });

  test('a process that closes a connection by itself has noticed, before its kernel could', async () => {
    const clients = await clientsOf(1);
    const looks: unknown[] = [];
    const running = drill(clients, { for: 20_000, onLook: (look) => looks.push(look) });
    await begun(looks);
    clients.tell('open(0).destroy()');
    const { connections } = await running;
    expect(connections[0]).toMatchObject({ verdict: 'noticed', predicted: { earliest: Infinity } });
  });

  test('is undone if it is aborted', async () => {
    const clients = await clientsOf(2);
    const controller = new AbortController();
    const onLook = () => controller.abort();
    const { connections } = await drill(clients, { signal: controller.signal, onLook });
    expect(connections.map(({ verdict }) => verdict)).toEqual(['notNoticed', 'notNoticed']);
    await expectHears(clients);
  });

  test('ends with the process, which may end because nobody listened for the error', async () => {
    const server = net.createServer((socket) => socket.on('error', () => {}).resume());
    const port = await listenForAll(server);
    const program = `require('node:net').connect(${port}, '127.0.0.1', () => console.log('connected')).resume()`;
    const client = startProcess([process.execPath, '-e', program]);
    await client.says('connected');
    await applyToProcess(client.pid, { remote: port }, quick);
    const began = performance.now();
    const { connections } = await drill({ pid: client.pid, port }, { for: 30_000 });
    expect(connections).toMatchObject([{ verdict: 'processEnded' }]);
    expect(performance.now() - began).toBeLessThan(15_000);
  });

  test('is undone in a process that was forked and has the socket too', async () => {
    const clients = await clientsOf(1);
    clients.tell(
      "require('child_process').spawn('sleep', ['1000'], { stdio: ['ignore', 'ignore', 'ignore', open(0)] }); console.log('forked')",
    );
    await clients.says('forked');
    const looks: unknown[] = [];
    const running = drill(clients, { for: 20_000, onLook: (look) => looks.push(look) });
    await begun(looks);
    const [listed] = await listConnections(openTo(clients.port));
    clients.child.kill('SIGKILL');
    expect((await running).connections).toMatchObject([{ verdict: 'processEnded' }]);
    const [left] = await listConnections({ ...openTo(clients.port), owners: true });
    expect({ cookie: left?.cookie, name: left?.owner?.name }).toEqual({
      cookie: listed?.cookie,
      name: 'sleep',
    });
    clients.accepted[0]?.write('heard');
    await vi.waitFor(
      async () => expect((await listConnections(openTo(clients.port)))[0]?.unread).toBe(5),
      PATIENCE,
    );
    process.kill(left?.owner?.pid ?? 0);
  });

  test('does not keep connections open: the peer hears of the end at once', async () => {
    const clients = await clientsOf(1);
    const looks: unknown[] = [];
    const running = drill(clients, { for: 20_000, onLook: (look) => looks.push(look) });
    await begun(looks);
    const end = once(clients.accepted[0] as net.Socket, 'end');
    const began = performance.now();
    clients.tell('open(0).end()');
    await end;
    expect(performance.now() - began).toBeLessThan(1_000);
    clients.tell('open(0).destroy()');
    await running;
  });

  test('leaves no descriptor in the process', async () => {
    const clients = await clientsOf(2);
    const count = (pid: number | 'self') => readdirSync(`/proc/${pid}/fd`).length;
    const there = count(clients.pid);
    for (let i = 0; i < 3; i++) {
      const controller = new AbortController();
      await drill(clients, { signal: controller.signal, onLook: () => controller.abort() });
    }
    expect(count(clients.pid)).toBe(there);
  });

  test('touches only the connections that were shown, and still are the same', async () => {
    const clients = await clientsOf(2);
    const prepared = await Drill.prepare(identify(clients.pid), `:${clients.port}`);
    clients.tell('open(0).destroy(); setImmediate(connect)');
    await clients.says(/closed[\s\S]*connected/);
    const { connections, recoveredAfter } = await prepared.run({ for: 1_500 });
    expect(connections).toHaveLength(1);
    expect(recoveredAfter).toBeNull();
    const second = await Drill.prepare(identify(clients.pid), `:${clients.port}`);
    clients.tell('sockets.forEach((socket) => socket.destroy())');
    await vi.waitFor(async () => expect(await listConnections(openTo(clients.port))).toEqual([]), PATIENCE);
    await expect(second.run({ for: 1_500 })).rejects.toMatchObject({
      code: 'ERR_KEEPALIVE_NOT_CONNECTED',
      message: expect.stringContaining('it has closed each of them meanwhile'),
    });
  });

  test.each<[unknown, unknown, string]>([
    [{}, {}, '`remote` to be a port'],
    [{ remote: 5432, local: 1 }, {}, 'Expected `remote`, got `local`'],
    [{ remote: 'fe80::1%eth0' }, {}, '`remote` to be a port, an address'],
    [{ remote: 0 }, {}, 'from 1 to 65535'],
    [{ remote: 5432 }, { for: 60 }, 'did you mean 60000?'],
    [{ remote: 5432 }, { onLook: true }, '`onLook` to be a function'],
    [{ remote: 5432 }, { within: 5_000 }, 'got `within`'],
  ])('refuses %j, %j', async (filter, behaviour, expected) => {
    await expect(drillProcess(1, filter as never, behaviour as never)).rejects.toMatchObject({
      code: 'ERR_KEEPALIVE_INVALID_OPTION',
      message: expect.stringContaining(expected),
    });
  });

  test('refuses a process without such a connection', async () => {
    const { pid } = await clientsOf(1);
    await expect(drillProcess(pid, { remote: 1 })).rejects.toMatchObject({
      code: 'ERR_KEEPALIVE_NOT_CONNECTED',
      message: expect.stringContaining(`tcp-keepalive sockets --pid ${pid}`),
    });
  });
});

/** Expects that what the peer writes arrives. */
async function expectHears(clients: Clients): Promise<void> {
  clients.tell("sockets.forEach((socket) => socket.on('data', (text) => console.log(String(text))))");
  for (const [i, socket] of clients.accepted.entries()) socket.write(`you hear ${i}`);
  for (const i of clients.accepted.keys()) await clients.says(`you hear ${i}`);
}

describeWhereInstalled('a drill of a program of Python', { missing: missingPython }, () => {
  test.runIf(isLinux)('is noticed, and gives back what a socket heard before', async () => {
    const server = net.createServer((socket) => socket.on('error', () => {}).resume());
    const port = await listenForAll(server);
    const python = startProcess(['python3', '-c', pythonProgram, '127.0.0.1', String(port)]);
    await once(server, 'connection');
    const leastTtl = "print('ttl', s.getsockopt(0, 21), flush=True)";
    python.tell(`s.setsockopt(0, 21, 7); ${leastTtl}`);
    await python.says('ttl 7');
    const looks: unknown[] = [];
    const running = drill({ pid: python.pid, port }, { for: 1_500, onLook: (look) => looks.push(look) });
    await begun(looks);
    python.tell(leastTtl);
    await python.says('ttl 255');
    await running;
    python.tell(leastTtl);
    await python.says(/ttl 7[\s\S]*ttl 255[\s\S]*ttl 7/);
    await applyToProcess(python.pid, { remote: port }, quick);
    python.tell('s.recv(1)');
    const { connections } = await drill({ pid: python.pid, port });
    expect(connections).toMatchObject([{ verdict: 'processEnded' }]);
    await python.says('TimeoutError');
  });

  test.runIf(isLinux)('undoes what one that was killed has left', async () => {
    const server = net.createServer((socket) => socket.on('error', () => {}).resume());
    const port = await listenForAll(server);
    const python = startProcess(['python3', '-c', pythonProgram, '127.0.0.1', String(port)]);
    await once(server, 'connection');
    python.tell("s.setsockopt(0, 21, 255); print('deaf', flush=True)");
    await python.says('deaf');
    await drill({ pid: python.pid, port }, { for: 1_000 });
    python.tell("print('ttl', s.getsockopt(0, 21), flush=True)");
    await python.says('ttl 0');
  });
});

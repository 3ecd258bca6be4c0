import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { applyToProcess, type Connection, listConnections, type ProcessChange } from 'tcp-keepalive/machine';
import { vanish } from 'tcp-keepalive/testing';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { planChanges, writeChanges } from '../../src/machine/apply.ts';
import { identify } from '../../src/machine/process.ts';
import { parseKeepAliveOptions } from '../../src/options/parse.ts';
import { describeWhereInstalled } from '../helpers/describe-with-server.ts';
import { openTo } from '../helpers/listen.ts';
import {
  clientsOf,
  listenForAll,
  missingPython,
  pythonProgram,
  startProcess,
} from '../helpers/other-process.ts';
import { PATIENCE } from '../helpers/patience.ts';
import { asRead } from '../helpers/retransmit-interval.ts';
import { fixtureArguments } from '../helpers/run-fixture.ts';

const isLinux = process.platform === 'linux';

/** Its connections with their options, by the port of their own end. */
async function optionsOf(pid: number, remote: number): Promise<Map<number, Connection['options']>> {
  const connections = await listConnections({ pid, remote });
  return new Map(connections.map(({ local, options }) => [local.port, options]));
}

/** The sockets that a process has under any number. */
function socketsOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/${pid}/fd/${fd}`);
      return target.startsWith('socket:') ? [target] : [];
    } catch {
      return [];
    }
  });
}

const refusedBy = (change: ProcessChange | undefined) =>
  (change?.error as { code?: string } | undefined)?.code;

describe.runIf(isLinux)('applyToProcess', () => {
  test('sets options on the connections that the filter lets through, and tells before and after', async () => {
    const [ours, others] = [await clientsOf(2), await clientsOf(1)];
    ours.tell(`process.argv[1] = ${others.port}; connect()`);
    await vi.waitFor(() => expect(others.accepted).toHaveLength(2), PATIENCE);
    const changes = await applyToProcess(ours.pid, { remote: ours.port }, 'tunnel');
    expect(changes).toHaveLength(2);
    for (const { connection, before, after, skipped, error, mayBeWrittenBack } of changes) {
      expect(connection.remote).toEqual({ address: '127.0.0.1', port: ours.port });
      expect(before).toMatchObject({ enable: false, userTimeout: 0 });
      expect(after).toMatchObject(asRead(parseKeepAliveOptions('tunnel')));
      expect({ skipped, error, mayBeWrittenBack }).toEqual({
        skipped: [],
        error: undefined,
        mayBeWrittenBack: false,
      });
      expect((await optionsOf(ours.pid, ours.port)).get(connection.local.port)).toEqual(after);
    }
    // Neither its connections to others, nor those of others.
    for (const pid of [ours.pid, others.pid]) {
      for (const options of (await optionsOf(pid, others.port)).values())
        expect(options).toMatchObject({ enable: false, userTimeout: 0 });
    }
  });

  test.each(['::1', '::ffff:127.0.0.1'])('on a socket of IPv6: %s', async (host) => {
    const { pid, port } = await clientsOf(1, host);
    const [change] = await applyToProcess(pid, { remote: `[${host}]:${port}` }, { count: 5 });
    expect(change?.connection.remote).toEqual({ address: host, port });
    expect(change?.after).toMatchObject({ enable: true, count: 5 });
  });

  test('on a listener, from which later connections inherit', async () => {
    const program = `
      const server = require('node:net').createServer(() => console.log('accepted'));
      server.listen(0, '127.0.0.1', () => console.log('port ' + server.address().port + '.'));
    `;
    const other = startProcess([process.execPath, '-e', program]);
    await other.says(/port \d+\./);
    const port = Number(/port (\d+)\./.exec(other.out())?.[1]);
    const changes = await applyToProcess(other.pid, { local: port, state: 'LISTEN' }, 'websocket');
    expect(changes).toHaveLength(1);
    const client = net.connect(port, '127.0.0.1').on('error', () => {});
    onTestFinished(() => void client.destroy());
    await other.says('accepted');
    const [inherited] = await listConnections({ pid: other.pid, local: port });
    expect(inherited?.options).toMatchObject(asRead(parseKeepAliveOptions('websocket')));
  });

  test('writes only what differs: the same options again are no extra probe', async () => {
    const options = { initialDelay: 1_000, interval: 20_000, count: 5 };
    const { pid, port, accepted } = await clientsOf(1);
    await applyToProcess(pid, { remote: port }, options);
    vanish(accepted[0] as net.Socket);
    const unanswered = async () => (await listConnections(openTo(port)))[0]?.timer?.unanswered;
    await vi.waitFor(async () => expect(await unanswered()).toBe(1), { timeout: PATIENCE, interval: 50 });
    for (let i = 0; i < 5; i++) await applyToProcess(pid, { remote: port }, options);
    await sleep(200);
    expect(await unanswered()).toBe(1);
  });

  test('writes the user timeout of a silent connection once its peer was heard, and waits for that', async () => {
    const { pid, port } = await clientsOf(1);
    const silence = async () => (await listConnections(openTo(port)))[0]?.info?.lastAckReceived;
    await vi.waitFor(async () => expect(await silence()).toBeGreaterThan(1_100), PATIENCE);
    const options = { initialDelay: 1_000, interval: 5_000, count: 3, userTimeout: 15_500 };
    const process = identify(pid);
    const settings = parseKeepAliveOptions(options);
    const planned = await planChanges(process, { remote: port }, settings);
    const [written] = await writeChanges(process, planned, settings);
    expect(written).toMatchObject({
      pending: { settings: { userTimeout: 15_500 }, within: 15_000 },
      after: { userTimeout: 0, initialDelay: 1_000 },
    });
    const began = performance.now();
    const [change] = await applyToProcess(pid, { remote: port }, options);
    expect(change?.after).toMatchObject(options);
    expect(change).not.toHaveProperty('pending');
    // The peer has answered a probe, long before it is written anyway.
    expect(performance.now() - began).toBeLessThan(14_000);
  });

  test('leaves alone what has the number of a socket that was closed meanwhile', async () => {
    const { pid, port, tell, says, out } = await clientsOf(1);
    const process = identify(pid);
    const settings = parseKeepAliveOptions('database');
    const planned = await planChanges(process, { remote: port }, settings);
    // The new one gets the number of the old one at once.
    tell('open(0).destroy(); setImmediate(connect)');
    await says(/closed[\s\S]*connected/);
    const [change] = await writeChanges(process, planned, settings);
    expect(refusedBy(change)).toBe('ERR_KEEPALIVE_DESTROYED');
    expect(change?.after).toEqual(change?.before);
    const [now] = await listConnections({ pid, remote: port });
    expect(now?.owner?.fd, out()).toBe(planned[0]?.connection.owner?.fd);
    expect(now?.options).toMatchObject({ enable: false });
  });

  test('does not keep connections open, and no descriptors', async () => {
    const { pid, port, accepted, tell } = await clientsOf(3);
    const before = [socketsOf(pid), readdirSync('/proc/self/fd').length];
    for (let i = 0; i < 50; i++) {
      await applyToProcess(pid, { remote: port }, { count: 3 + (i % 5) });
    }
    expect([socketsOf(pid), readdirSync('/proc/self/fd').length]).toEqual(before);
    const ends = accepted.map((socket) => once(socket, 'end'));
    const applying = Promise.all(
      Array.from({ length: 20 }, (_, i) => applyToProcess(pid, { remote: port }, { count: 3 + (i % 5) })),
    );
    tell('sockets.forEach((socket) => socket.end())');
    await Promise.all([...ends, applying]);
  });

  test('says which connections a hold in that process may write back, and it does', async () => {
    const server = net.createServer((socket) => socket.resume());
    const port = await listenForAll(server);
    const held = startProcess([
      process.execPath,
      ...(await fixtureArguments('held-client.ts', String(port))),
    ]);
    await held.says('both are open');
    const changes = await applyToProcess(held.pid, { remote: port }, { initialDelay: 33_000 });
    expect(changes.map(({ before, mayBeWrittenBack }) => [before.enable, mayBeWrittenBack]).sort()).toEqual([
      [false, false],
      [true, true],
    ]);
    expect(changes.map(({ after }) => after.initialDelay)).toEqual([33_000, 33_000]);
    held.tell('setKeepAlive');
    await held.says('called');
    const delays = [...(await optionsOf(held.pid, port)).values()].map((options) => options?.initialDelay);
    expect(delays.sort()).toEqual([10_000, 33_000]);
  });

  test.each<[unknown, unknown, string]>([
    [{ pid: 1 }, 'database', 'Expected `local`, `remote`, `state`, got `pid`'],
    [{ remote: 'fe80::1%eth0' }, 'database', '`remote` to be a port, an address'],
    [{ remote: '10.0.0.1:65536' }, 'database', 'from 1 to 65535'],
    [{ remote: 5432 }, 'databse', 'did you mean `database`'],
    [[], 'database', 'a filter such as { remote: 5432 }'],
  ])('refuses %j, %j', async (filter, options, expected) => {
    const { pid } = startProcess([process.execPath, '-e', 'setInterval(() => {}, 1000)']);
    await expect(applyToProcess(pid, filter as never, options as never)).rejects.toMatchObject({
      code: 'ERR_KEEPALIVE_INVALID_OPTION',
      message: expect.stringContaining(expected),
    });
  });
});

describeWhereInstalled('a program of Python', { missing: missingPython }, () => {
  test.runIf(isLinux)('has the options in its kernel, and goes on', async () => {
    const server = net.createServer((socket) => socket.pipe(socket));
    const port = await listenForAll(server);
    const python = startProcess(['python3', '-c', pythonProgram, '127.0.0.1', String(port)]);
    await once(server, 'connection');
    python.tell('values()');
    await python.says('values 0 ');
    const [change] = await applyToProcess(python.pid, { remote: port }, 'fastFailover');
    expect(change?.connection.owner?.name).toMatch(/^python/);
    python.tell('values()');
    await python.says('values 1 5 2 3 10500');
    python.tell("s.sendall(b'still here'); print(s.recv(100), flush=True)");
    await python.says('still here');
  });
});

import { once } from 'node:events';
import net from 'node:net';
import { getTcpInfo, setKeepAlive } from 'tcp-keepalive';
import { type Connection, type ConnectionFilter, listConnections } from 'tcp-keepalive/machine';
import { vanish } from 'tcp-keepalive/testing';
import { expect, onTestFinished, test, vi } from 'vitest';
import { setDeaf } from '../../src/kernel/deaf.ts';
import { describeWhereInstalled } from '../helpers/describe-with-server.ts';
import { listen } from '../helpers/listen.ts';
import { PATIENCE } from '../helpers/patience.ts';
import { fdOf } from '../helpers/raw-options.ts';
import { missingSs, type SsRow, ssRows } from '../helpers/ss.ts';
import { closeDescriptor, connectToLoopback, openSocket } from '../helpers/system-calls.ts';

interface Ends {
  readonly client: net.Socket;
  readonly server: net.Socket;
}

let listener: net.Server;
let port: number;

async function startListener(host = '127.0.0.1'): Promise<void> {
  listener = net.createServer({ allowHalfOpen: true }).setMaxListeners(0);
  port = await listen(listener, 0, host);
}

async function ends(host = '127.0.0.1'): Promise<Ends> {
  const accepted = once(listener, 'connection') as Promise<[net.Socket]>;
  const client = net.connect({ port, host, allowHalfOpen: true }).on('error', () => {});
  onTestFinished(() => void client.destroy());
  await once(client, 'connect');
  return { client, server: (await accepted)[0] };
}

/** Those with the listener's port at either end. */
async function listed(filter: ConnectionFilter = {}): Promise<Connection[]> {
  return [
    ...(await listConnections({ ...filter, local: port })),
    ...(await listConnections({ ...filter, remote: port })),
  ];
}

async function one(socket: net.Socket): Promise<Connection> {
  const found = await listConnections({
    pid: process.pid,
    local: socket.localPort,
    remote: socket.remotePort,
  });
  expect(found).toHaveLength(1);
  return found[0] as Connection;
}

const text = ({ address, port: number }: Connection['local']) =>
  `${address.includes(':') ? `[${address}]` : address}:${number || '*'}`;

/** As far as both tell the same. Listeners have no timer, and ss leaves out what is 0. */
function expectSame(ours: Connection, theirs: SsRow | undefined): void {
  const { state, unread, unacknowledged, local, remote, inode } = ours;
  expect({ state, unread, unacknowledged, local: text(local), remote: text(remote), inode }).toEqual({
    state: theirs?.state,
    unread: theirs?.unread,
    unacknowledged: theirs?.unacknowledged,
    local: theirs?.local,
    remote: theirs?.remote,
    inode: theirs?.inode,
  });
  const timer = ours.timer && { kind: ours.timer.kind, unanswered: ours.timer.unanswered };
  expect(timer).toEqual(theirs?.timer && { kind: theirs.timer.kind, unanswered: theirs.timer.unanswered });
  // The two were asked one after the other, and ss leaves fractions out from ten seconds on.
  if (theirs?.timer) expect(Math.abs((ours.timer?.expires ?? 0) - theirs.timer.expires)).toBeLessThan(1_100);
  if (theirs?.rto) expect(ours.info?.rto).toBe(theirs.rto);
  if (theirs?.rtt) expect(ours.info?.rtt).toBeCloseTo(theirs.rtt, 2);
}

describeWhereInstalled('listConnections', { missing: missingSs }, () => {
  test('tells the same as ss of a connection in every state, and of each timer', async () => {
    await startListener();
    setKeepAlive((await ends()).client, 'database');
    const busy = await ends();
    vanish(busy.server);
    busy.client.write('in flight');
    const full = await ends();
    full.server.pause();
    full.client.write(Buffer.alloc(16_000_000));
    const halfClosed = await ends();
    halfClosed.client.end();
    const unheardEnd = await ends();
    vanish(unheardEnd.server);
    unheardEnd.client.end();
    const lastAck = await ends();
    await once(lastAck.server.end() && lastAck.client.resume(), 'end');
    vanish(lastAck.server);
    lastAck.client.end();
    const closing = await ends();
    vanish(closing.server);
    closing.client.end();
    closing.server.end();
    const ended = await ends();
    ended.client.end();
    ended.server.resume().end();
    await once(ended.client.resume(), 'close');
    // A client that hears no SYN-ACK.
    const fd = openSocket(2, 1 | 2048, 0);
    onTestFinished(() => void closeDescriptor(fd));
    setDeaf(fd, true);
    connectToLoopback(fd, port);

    await vi.waitFor(
      async () => {
        const theirs = await ssRows(port);
        const ours = [...(await listed()), ...(await listed({ state: 'LISTEN' }))];
        for (const connection of ours) expectSame(connection, theirs.get(connection.cookie));
        expect(ours).toHaveLength(theirs.size);
        expect(new Set(ours.map(({ state }) => state))).toEqual(
          new Set([
            ...['ESTABLISHED', 'SYN_SENT', 'SYN_RECV', 'FIN_WAIT1', 'FIN_WAIT2', 'TIME_WAIT', 'CLOSE_WAIT'],
            ...['LAST_ACK', 'CLOSING', 'LISTEN'],
          ]),
        );
        const kinds = new Set(ours.map(({ timer }) => timer?.kind));
        expect(kinds).toEqual(new Set([undefined, 'on', 'keepalive', 'persist', 'timewait']));
      },
      { timeout: 30_000, interval: 100 },
    );
  });

  test.each([
    { host: '::1', address: '::1' },
    { host: '::ffff:127.0.0.1', address: '::ffff:127.0.0.1' },
  ])('of IPv6, and of IPv4 on a socket of IPv6: $host', async ({ host, address }) => {
    await startListener('::');
    const { client } = await ends(host);
    const connection = await one(client);
    expect(connection.remote).toEqual({ address, port });
    expectSame(connection, (await ssRows(port)).get(connection.cookie));
  });

  test('the same TCP_INFO as getTcpInfo, the options, and the process', async () => {
    await startListener();
    const { client } = await ends();
    setKeepAlive(client, 'tunnel');
    const { info, options, owner } = await one(client);
    const { lastDataSent, lastDataReceived, lastAckReceived, ...same } = getTcpInfo(client);
    expect(info).toMatchObject(same);
    expect(options).toMatchObject({
      enable: true,
      initialDelay: 30_000,
      interval: 10_000,
      count: 6,
      userTimeout: 89_500,
    });
    expect(owner).toEqual({ pid: process.pid, name: 'node', fd: fdOf(client) });
    const theirs = (await ssRows(port)).values();
    expect([...theirs].map(({ pid }) => pid)).toContain(process.pid);
  });

  test('neither options nor owners if they are not asked for', async () => {
    await startListener();
    const { client } = await ends();
    const ofBothEnds = async (filter: ConnectionFilter) => {
      const ports = new Set([port, client.localPort]);
      const found = (await listed(filter)).filter(
        ({ local, remote }) => ports.has(local.port) && ports.has(remote.port),
      );
      expect(found).toHaveLength(2);
      return found;
    };
    for (const connection of await ofBothEnds({}))
      expect(Object.keys(connection)).not.toEqual(expect.arrayContaining(['owner', 'options']));
    for (const owned of await ofBothEnds({ owners: true })) {
      expect({ pid: owned.owner?.pid, options: owned.options }).toEqual({
        pid: process.pid,
        options: undefined,
      });
    }
    for (const read of await ofBothEnds({ options: true })) {
      expect({ pid: read.owner?.pid, enable: read.options?.enable }).toEqual({
        pid: process.pid,
        enable: false,
      });
    }
    expect(await listConnections({ pid: process.pid, options: false, local: port })).not.toHaveProperty(
      '0.options',
    );
  });

  test('no owner of a connection that only the kernel still has', async () => {
    await startListener();
    const ended = await ends();
    const endedPort = ended.client.localPort;
    ended.server.resume().end();
    ended.client.resume().end();
    await once(ended.client, 'close');
    const { client } = await ends();
    await vi.waitFor(async () => {
      const found = await listed({ owners: true });
      const ofPort = (wanted?: number) =>
        found
          .filter(({ local, remote }) => local.port === wanted || remote.port === wanted)
          .map(({ state, owner }) => ({ state, pid: owner?.pid }));
      expect(ofPort(endedPort)).toEqual([{ state: 'TIME_WAIT', pid: undefined }]);
      expect(ofPort(client.localPort)).toEqual([
        { state: 'ESTABLISHED', pid: process.pid },
        { state: 'ESTABLISHED', pid: process.pid },
      ]);
    }, PATIENCE);
  });

  test('looking at a connection does not keep it open', async () => {
    await startListener();
    const { client, server } = await ends();
    const end = once(server.resume(), 'end');
    const looking = Promise.all(Array.from({ length: 20 }, () => listed({ options: true })));
    client.end();
    await end;
    await looking;
    server.end();
    await vi.waitFor(async () => expect(await listed({ state: 'ESTABLISHED' })).toEqual([]), PATIENCE);
  });

  test('an unanswered probe is counted', async () => {
    await startListener();
    const { client } = await ends();
    setKeepAlive(client, { initialDelay: 1_000, interval: 5_000, count: 5 });
    vanish(client);
    await vi.waitFor(
      async () => expect((await one(client)).timer).toMatchObject({ kind: 'keepalive', unanswered: 1 }),
      {
        timeout: 10_000,
      },
    );
  });

  test('only what the filter lets through', async () => {
    await startListener('::');
    await ends();
    await ends('::1');
    const count = async (filter: ConnectionFilter) =>
      (await listConnections({ ...filter, state: 'ESTABLISHED' })).length;
    expect(await count({ remote: port })).toBe(2);
    expect(await count({ remote: `:${port}` })).toBe(2);
    expect(await count({ local: port })).toBe(2);
    expect(await count({ remote: `127.0.0.1:${port}` })).toBe(1);
    expect(await count({ remote: `127.0.0.0/8:${port}` })).toBe(1);
    expect(await count({ remote: `126.0.0.0/8:${port}` })).toBe(0);
    expect(await count({ remote: `[::1]:${port}` })).toBe(1);
    expect(await count({ remote: `[::1/128]:${port}`, local: '::1' })).toBe(1);
    // The end that was accepted on a socket of IPv6 has an IPv4-mapped address.
    expect(await count({ remote: '127.0.0.1', local: `127.0.0.1:${port}` })).toBe(1);
    expect(await count({ remote: '::ffff:127.0.0.1', local: port })).toBe(1);
    expect(await count({ remote: port, pid: process.pid })).toBe(2);
    expect(await count({ remote: port, pid: process.ppid })).toBe(0);
  });

  test('a list of many pieces is whole, and other code runs meanwhile', async () => {
    await startListener();
    for (let i = 0; i < 600; i += 50) await Promise.all(Array.from({ length: 50 }, () => ends()));
    let turns = 0;
    const turning = setInterval(() => turns++, 0);
    const found = await listConnections({ state: 'ESTABLISHED', remote: port });
    clearInterval(turning);
    expect(found).toHaveLength(600);
    expect(new Set(found.map(({ cookie }) => cookie)).size).toBe(600);
    expect(turns).toBeGreaterThan(0);
  });

  test.each<[ConnectionFilter, string]>([
    [{ pid: 0 }, '`pid` to be the id of a process'],
    [{ pid: 2 ** 30 }, '`pid` to be a running process'],
    [{ remote: '10.0.0.0/33' }, 'from 0 to 32'],
    [{ remote: 'fe80::1%eth0' }, '`remote` to be a port, an address'],
    [{ remote: '10.0.0.1:65536' }, 'from 1 to 65535'],
    [{ remote: '' }, '`remote` to be a port, an address'],
    [{ local: 0 }, 'from 1 to 65535'],
    [{ state: 'OPEN' as never }, '`ESTABLISHED`'],
    [{ port: 1 } as never, 'got `port`'],
  ])('refuses %j', async (filter, expected) => {
    const message = expect.stringContaining(expected);
    await expect(listConnections(filter)).rejects.toMatchObject({
      code: 'ERR_KEEPALIVE_INVALID_OPTION',
      message,
    });
  });
});

import { once } from 'node:events';
import net from 'node:net';
import {
  getKeepAlive,
  getTcpInfo,
  type KeepAliveOptions,
  predictDetection,
  setKeepAlive,
} from 'tcp-keepalive';
import { vanish } from 'tcp-keepalive/testing';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { cutInMiddle } from '../../src/cli/commands/sockets/columns.ts';
import { fateOf, predictor } from '../../src/cli/commands/sockets/fate.ts';
import type { Connection } from '../../src/machine/index.ts';
import { formatTime } from '../../src/options/words.ts';
import { ESCAPE, expectRefused, type } from '../helpers/command-line.ts';
import { listen } from '../helpers/listen.ts';
import { startProcess } from '../helpers/other-process.ts';
import { PATIENCE } from '../helpers/patience.ts';

async function connected(host = '127.0.0.1'): Promise<{ client: net.Socket; port: number }> {
  const server = net.createServer((socket) => socket.resume());
  const port = await listen(server, 0, host);
  const client = net.connect(port, host).on('error', () => {});
  onTestFinished(() => void client.destroy());
  await once(client, 'connect');
  return { client, port };
}

describe.runIf(process.platform === 'linux')('tcp-keepalive sockets', () => {
  test('a table for each process, what is wrong, and what there is in all', async () => {
    const { client, port } = await connected();
    const line = `sockets --pid ${process.pid} --remote :${port}`;
    const sent = (options: KeepAliveOptions) =>
      formatTime(predictDetection(options, { rto: getTcpInfo(client).rto }).unacknowledged.nominal);
    expect((await type(line)).out).toMatch(
      new RegExp(
        `^127\\.0\\.0\\.1:${port} +estab +[\\d.]+[um]s off +never +${sent({ enable: false })}$`,
        'm',
      ),
    );
    expect((await type(line)).out).toContain('warning  1 connection: keepalive is off');
    client.setKeepAlive(true);
    expect((await type(line)).out).toContain("1 connection: keepalive is on, but at the system's own times.");
    setKeepAlive(client, 'database');
    const { code, out, err } = await type(line);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toContain(`node ${process.pid}\n`);
    expect(out).toMatch(
      new RegExp(
        `^127\\.0\\.0\\.1:${port} +estab +[\\d.]+[um]s 10s/5s/3 24\\.5s +probe (10|\\d(\\.\\d)?)s +25s +${sent(getKeepAlive(client))}$`,
        'm',
      ),
    );
    expect(out).toContain('1 connection: 0 without keepalive, 0 unbounded in flight, 0 dying now\n');
    expect(out).toMatch(/^this machine, a second: [\d. ]+ probes sent, [\d. ]+ retransmission timeouts, /m);
    expect(out).not.toContain('warning');
  });

  test('no line is longer than 80 columns, and a long address is cut in the middle', async () => {
    const { port } = await connected('::1');
    const { out } = await type('sockets');
    expect(out).toContain(String(port));
    for (const line of out.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80);
    expect(cutInMiddle('[2001:db8:1234:5678:9abc:def0:1234:5678]:5432', 21)).toBe('[2001:db8:…5678]:5432');
  });

  test('a peer that does not answer is told of, with the time that is left', async () => {
    const { client, port } = await connected();
    setKeepAlive(client, { initialDelay: 1_000, interval: 20_000, count: 2 });
    vanish(client);
    await vi.waitFor(
      async () => {
        const { out } = await type(`sockets --pid ${process.pid} --remote :${port}`, { color: true });
        expect(out).toMatch(/dying: lost in about (40|39|38)(\.\d)?s/);
        expect(out).toContain('1 dying now');
        expect(out).toContain(ESCAPE);
      },
      { timeout: PATIENCE, interval: 100 },
    );
  });

  test('the same as JSON', async () => {
    const { client, port } = await connected();
    setKeepAlive(client, 'tunnel');
    const { out } = await type(`sockets --pid ${process.pid} --remote :${port} --json`);
    const { connections, summary, rates } = JSON.parse(out);
    expect(connections).toHaveLength(1);
    expect(connections[0]).toMatchObject({
      remote: { address: '127.0.0.1', port },
      options: { initialDelay: 30_000 },
      owner: { pid: process.pid },
      fate: { idle: 90_000 },
    });
    expect(summary).toMatchObject({ connections: 1, withoutKeepalive: 0, unboundedInFlight: 0, dyingNow: 0 });
    expect(Object.keys(rates)).toEqual(['probes', 'timeouts', 'aborts']);
  });

  test('a launcher has no connections: the program that it started is named', async () => {
    const server = net.createServer((socket) => socket.resume());
    const port = await listen(server);
    const program = `require('node:net').connect(${port}, '127.0.0.1').on('connect', () => console.log(process.pid))`;
    const launcher = startProcess([
      process.execPath,
      '-e',
      `require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(program)}], { stdio: 'inherit' })`,
    ]);
    await launcher.says(/^\d+$/m);
    const child = /^\d+$/m.exec(launcher.out())?.[0];
    const { code, out, err } = await type(`sockets --pid ${launcher.pid}`);
    expect({ code, lines: out.split('\n')[0] }).toEqual({
      code: 0,
      lines: '0 connections: 0 without keepalive, 0 unbounded in flight, 0 dying now',
    });
    const hint = `process ${launcher.pid} has none, but a process that it started does: --pid ${child} (node)`;
    expect(err.replace(/\s+/g, ' ')).toBe(`note ${hint} `);
    expect((await type(`sockets --pid ${launcher.pid} --remote :${port}`)).err).toContain(`--pid ${child}`);
    expect((await type(`sockets --pid ${launcher.pid} --remote :1`)).err).toBe('');
    expect((await type(`sockets --pid ${child}`)).err).toBe('');
  });

  test('by port at either end, by name, by state, and in an order', async () => {
    const { port } = await connected();
    const { out } = await type(`sockets --port ${port} --name node --sort rtt`);
    expect(out).toContain('2 connections: ');
    expect((await type(`sockets --port ${port} --name postgres`)).out).toContain('0 connections: ');
    expect((await type(`sockets --port ${port} --state listen`)).out).toMatch(
      new RegExp(`^127\\.0\\.0\\.1:${port} +listen`, 'm'),
    );
    expect((await type(`sockets --port ${port} --state estab`)).out).toContain('2 connections: ');
  });

  test.each([
    ['--pid 1073741824', '`--pid` to be a running process'],
    ['--pid node', '`--pid` to be a whole number'],
    ['--port 65536', '`--port` to be an integer from 1 to 65535'],
    ['--remote fe80::1%eth0', '`--remote` to be a port'],
    ['--state open', '`--state` to be `ESTABLISHED`'],
    ['--sort colour', '`--sort` to be peer, state'],
    ['--port 1 --remote 10.0.0.1', 'write --remote 10.0.0.1:1'],
    ['4711', 'Expected options such as --pid 4711'],
  ])('refuses %s', async (line, expected) => {
    await expectRefused(`sockets ${line}`, expected);
  });
});

const base = {
  state: 'ESTABLISHED',
  info: { rto: 204, backoff: 0, lastAckReceived: 60_000, lastDataReceived: 70_000 },
};
const options = { enable: true, initialDelay: 60_000, interval: 10_000, count: 3, userTimeout: 0 };

test.each([
  ['keepalive off', { options: { ...options, enable: false } }, { idle: Infinity, finding: 'off' }],
  [
    'the times of the system',
    { options: { ...options, initialDelay: 7_200_000 } },
    { finding: 'systemDefault' },
  ],
  ['no user timeout', { options }, { idle: 90_000, finding: 'unbounded' }],
  ['nothing wrong', { options: { ...options, userTimeout: 89_500 } }, { idle: 90_000, sent: 89_908 }],
  [
    'unanswered probes',
    { options, timer: { kind: 'keepalive', expires: 5_000, unanswered: 2 } },
    { lostIn: 30_000 },
  ],
  ['a user timeout of another program', { options: { ...options, userTimeout: 5 } }, { sent: 413 }],
  [
    'retransmissions',
    {
      options: { ...options, userTimeout: 20_000 },
      info: { ...base.info, rto: 816, backoff: 2 },
      timer: { kind: 'on', expires: 400, unanswered: 2 },
    },
    // 204, 408 and 816 ms of waiting, 400 of which are left, and then what is left of the user timeout.
    { sent: 20_408, lostIn: 20_408 - (204 + 408 + 816 - 400) },
  ],
  [
    'retransmissions whose waits have met their limit',
    {
      options: { ...options, userTimeout: 24_500, maxRetransmitInterval: 1_000 },
      info: { ...base.info, rto: 1_000, backoff: 4, rtt: 4, rttVariation: 2 },
      timer: { kind: 'on', expires: 300, unanswered: 4 },
    },
    // 204, 408, 816 and twice 1 000 ms of waiting, 300 of which are left.
    {
      lostIn:
        (fateOf(
          {
            ...base,
            options: { ...options, userTimeout: 24_500, maxRetransmitInterval: 1_000 },
          } as unknown as Connection,
          predictor({}),
        ).sent as number) -
        (204 + 408 + 816 + 2_000 - 300),
    },
  ],
  ['an end', { options, state: 'FIN_WAIT2' }, {}],
])('the fate of a connection with %s', (_name, connection, fate) => {
  expect(fateOf({ ...base, ...connection } as unknown as Connection, predictor({}))).toMatchObject(fate);
});

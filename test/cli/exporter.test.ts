import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { promisify } from 'node:util';
import { setKeepAlive } from 'tcp-keepalive';
import { vanish } from 'tcp-keepalive/testing';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { grouping } from '../../src/cli/commands/exporter/groups.ts';
import { textFormat } from '../../src/cli/commands/exporter/text-format.ts';
import type { Shown } from '../../src/cli/commands/sockets/query.ts';
import { expectRefused, type } from '../helpers/command-line.ts';
import { listen } from '../helpers/listen.ts';
import { PATIENCE } from '../helpers/patience.ts';

/** Starts an exporter in this process: how to scrape it. */
async function exporter(line = `--pid ${process.pid}`): Promise<(path?: string) => Promise<Response>> {
  const ended = new AbortController();
  const started = deferred<string>();
  const running = type(`exporter --port 0 ${line}`, { closed: ended.signal, onOut: started.resolve });
  running.then(({ err }) => started.reject(new Error(err)));
  onTestFinished(async () => {
    ended.abort();
    expect((await running).code).toBe(0);
  });
  const url = (await started.promise).trim();
  return (path = '/metrics') => fetch(new URL(path, url));
}

/** `Promise.withResolvers` of later versions of Node. */
function deferred<T>(): { promise: Promise<T>; resolve(value: T): void; reject(error: Error): void } {
  let [resolve, reject] = [(_: T) => {}, (_: Error) => {}];
  const promise = new Promise<T>((...both) => {
    [resolve, reject] = both;
  });
  return { promise, resolve, reject };
}

async function connected(count: number): Promise<{ clients: net.Socket[]; port: number }> {
  const server = net.createServer((socket) => socket.resume().on('error', () => {}));
  const port = await listen(server);
  const clients = Array.from({ length: count }, () => net.connect(port, '127.0.0.1').on('error', () => {}));
  onTestFinished(() => clients.forEach((client) => void client.destroy()));
  await Promise.all(clients.map((client) => once(client, 'connect')));
  return { clients, port };
}

describe.runIf(process.platform === 'linux')('tcp-keepalive exporter', () => {
  test('counts connections by process and port, and what is wrong with them', async () => {
    const { clients, port } = await connected(20);
    clients.forEach((client) => void setKeepAlive(client, 'database'));
    setKeepAlive(clients[0] as net.Socket, { enable: false, userTimeout: 20_000 });
    setKeepAlive(clients[1] as net.Socket, { initialDelay: 1_000, interval: 20_000, count: 2 });
    vanish(clients[1] as net.Socket);
    const scrape = await exporter();
    const read = async () => (await scrape()).text();
    const remote = `{process="node",end="remote",port="${port}"}`;
    await vi.waitFor(async () => expect(await read()).toContain(`_connections_dying${remote} 1\n`), PATIENCE);
    const text = await read();
    const name = 'tcp_keepalive_machine_';
    expect(text).toContain(
      `${name}connections{process="node",end="remote",port="${port}",state="ESTABLISHED"} 20\n`,
    );
    // The ends that were accepted are one series too, although each has a peer's port of its own.
    expect(text).toContain(
      `${name}connections{process="node",end="local",port="${port}",state="ESTABLISHED"} 20\n`,
    );
    expect(text).toContain(`${name}connections_without_keepalive${remote} 1\n`);
    expect(text).toContain(`${name}connections_unbounded_in_flight${remote} 0\n`);
    expect(text).toContain(`${name}connections_unknown${remote} 0\n`);
    expect(text).toContain(`${name}probes_unanswered${remote} 1\n`);
    expect(text).toContain(`${name}detection_idle_max_seconds${remote} +Inf\n`);
    for (const total of ['probes_sent', 'retransmission_timeouts', 'connections_given_up'])
      expect(text).toMatch(new RegExp(`^${name}${total}_total \\d+$`, 'm'));
  });

  test('its counters are those of nstat', async ({ skip }) => {
    const nstat = () => spawnSync('nstat', ['-asz', 'TcpExtTCPKeepAlive'], { encoding: 'utf8' });
    if (nstat().error !== undefined) skip('nstat is not installed: apt-get install iproute2');
    const probes = () => Number(/TCPKeepAlive\s+(\d+)/.exec(nstat().stdout)?.[1]);
    const scrape = await exporter();
    const before = probes();
    const told = Number(/probes_sent_total (\d+)/.exec(await (await scrape()).text())?.[1]);
    expect(told).toBeGreaterThanOrEqual(before);
    expect(told).toBeLessThanOrEqual(probes());
  });

  test('promtool finds nothing wrong with it', async ({ skip }) => {
    if (spawnSync('promtool', ['--version']).error !== undefined)
      skip('promtool is not installed: apt-get install prometheus');
    await connected(2);
    const scrape = await exporter();
    const answer = await scrape();
    expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    const checked = spawnSync('promtool', ['check', 'metrics'], {
      input: await answer.text(),
      encoding: 'utf8',
    });
    expect({ status: checked.status, told: checked.stdout + checked.stderr }).toEqual({
      status: 0,
      told: '',
    });
  });

  test('answers nothing else', async () => {
    const scrape = await exporter();
    expect((await scrape('/')).status).toBe(404);
    expect((await fetch((await scrape()).url, { method: 'POST' })).status).toBe(405);
    expect(await Promise.all(Array.from({ length: 5 }, async () => (await scrape()).status))).toEqual(
      Array(5).fill(200),
    );
  });

  test('a port that is taken, or that nobody may take, is one line', async () => {
    const { port } = await connected(0);
    expect(await type(`exporter --port ${port}`)).toEqual({
      code: 1,
      out: '',
      err: expect.stringMatching(/^tcp-keepalive: listen EADDRINUSE[^\n]*\n$/),
    });
    expect(await type('exporter --port 0 --host 192.0.2.1')).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^tcp-keepalive: listen EADDRNOTAVAIL[^\n]*\n$/),
    });
  });

  test.each([
    ['--port 65536', '`--port` to be an integer from 0 to 65535'],
    ['--port http', '`--port` to be a whole number'],
    ['--pid 1073741824', '`--pid` to be a running process'],
    ['9464', 'Expected options such as --port 9464'],
    ['--state LISTEN', '`--state`'],
  ])('refuses %s', async (line, expected) => {
    await expectRefused(`exporter ${line}`, expected);
  });

  test('SIGTERM ends it with 0, as the first process of a container has to', async () => {
    const child = spawn(process.execPath, ['--import', 'tsx', 'src/cli/main.ts', 'exporter', '--port', '0']);
    onTestFinished(() => void child.kill('SIGKILL'));
    await once(child.stdout, 'data');
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
  });
});

const canDrop = process.getuid?.() === 0 && spawnSync('setpriv', ['--version']).error === undefined;

describe.skipIf(!canDrop)('the capabilities of the DaemonSet', () => {
  /** A connection of another user. */
  async function ofNobody(): Promise<number> {
    const server = net.createServer(() => {});
    const port = await listen(server);
    const source = `require('net').connect(${port}, '127.0.0.1'); setTimeout(() => {}, 60_000)`;
    const child: ChildProcess = spawn('setpriv', [
      '--reuid',
      '65534',
      '--clear-groups',
      process.execPath,
      '-e',
      source,
    ]);
    onTestFinished(() => void child.kill('SIGKILL'));
    await once(server, 'connection');
    return port;
  }

  test.each([
    ['-all,+sys_ptrace,+dac_read_search', { owner: 'node', enable: false }],
    ['-all,+sys_ptrace', { owner: undefined, enable: undefined }],
    ['-all', { owner: undefined, enable: undefined }],
  ])('with %s', async (set, expected) => {
    const port = await ofNobody();
    const line = [
      process.execPath,
      '--import',
      'tsx',
      'src/cli/main.ts',
      'sockets',
      '--remote',
      `:${port}`,
      '--json',
    ];
    const { stdout } = await promisify(execFile)('setpriv', [
      `--bounding-set=${set}`,
      `--inh-caps=-all`,
      ...line,
    ]);
    const [connection] = JSON.parse(stdout).connections;
    expect({ owner: connection.owner?.name, enable: connection.options?.enable }).toEqual(expected);
  });
});

test('a label can have any text', () => {
  const samples = [{ labels: { process: 'a "b\\c\n\u001b' }, value: Infinity }];
  expect(textFormat([{ name: 'x', type: 'gauge', help: 'Help.', samples }])).toBe(
    '# HELP x Help.\n# TYPE x gauge\nx{process="a \\"b\\\\c\\\\n\\\\u001b"} +Inf\n',
  );
});

function between(local: number, remote: number, name = 'node'): Shown {
  return { local: { port: local }, remote: { port: remote }, owner: { name } } as unknown as Shown;
}

test.each([
  ['opened to a service', [40_000, 5_432], [], 'remote 5432'],
  ['accepted, while its port is listened on', [8_080, 40_000], [8_080], 'local 8080'],
  ['accepted, and nobody listens any more', [8_080, 40_000], [], 'local 8080'],
  [
    'opened to a listener of this machine whose port was taken by itself',
    [40_000, 40_001],
    [40_001],
    'remote 40001',
  ],
  ['of two ports that were taken by themselves', [40_000, 40_001], [], 'remote ephemeral'],
] as const)('a connection %s', (_name, [local, remote], listening, expected) => {
  const [group] = grouping([32_768, 60_999])([between(local, remote)], new Set<number>(listening));
  expect(`${group?.labels.end} ${group?.labels.port}`).toBe(expected);
});

test('a scan of all ports makes no more than 2000 groups, and old ones stay', () => {
  const group = grouping([32_768, 60_999]);
  group([between(40_000, 5_432)], new Set());
  const many = Array.from({ length: 30_000 }, (_, i) => between(40_000, 30_000 - i));
  expect(group(many, new Set())).toHaveLength(2_001);
  const all = group([...many, between(40_000, 5_432)], new Set());
  expect(all.find(({ labels }) => labels.port === '5432')).toBeDefined();
  expect(all.reduce((sum, { connections }) => sum + connections.length, 0)).toBe(30_001);
});

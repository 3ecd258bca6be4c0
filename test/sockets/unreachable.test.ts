import { execFile, spawnSync } from 'node:child_process';
import net from 'node:net';
import { promisify } from 'node:util';
import {
  getKeepAlive,
  isKeepAliveError,
  type KeepAliveOptions,
  keepAlive,
  keepAliveServer,
  predictDetection,
  setKeepAlive,
} from 'tcp-keepalive';
import { applyToProcess } from 'tcp-keepalive/machine';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { loadLibc } from '../../native-bindings/libc.ts';
import { getOption, setOption } from '../../native-bindings/sockopt.ts';
import { connectedPair } from '../helpers/connected-pair.ts';
import { adopted, connection, missingMultipath } from '../helpers/connection.ts';
import { optionsSetBy } from '../helpers/hold-parts.ts';
import { accept, listen } from '../helpers/listen.ts';
import { clientsOf } from '../helpers/other-process.ts';
import { packageOn } from '../helpers/package-on.ts';
import { PATIENCE } from '../helpers/patience.ts';
import { fdOf } from '../helpers/raw-options.ts';
import { recordedLibc } from '../helpers/recorded-libc.ts';
import { fixtureArguments } from '../helpers/run-fixture.ts';

// They wait for the kernel, all of them at once.
vi.setConfig({ maxConcurrency: 16 });

const isLinux = process.platform === 'linux';
const ofIpv4 = { level: 0, name: 11, unit: 'none', constant: 'IP_RECVERR' } as const;
const ofIpv6 = { level: 41, name: 25, unit: 'none', constant: 'IPV6_RECVERR' } as const;

async function over(host: string): Promise<net.Socket> {
  const { client, close } = await connectedPair(host);
  onTestFinished(close);
  return client;
}

describe.runIf(isLinux)('failOnUnreachable', () => {
  test.each([
    { host: '127.0.0.1', entries: [ofIpv4] },
    { host: '::1', entries: [ofIpv4, ofIpv6] },
    { host: '::ffff:127.0.0.1', entries: [ofIpv4, ofIpv6] },
  ])('is set and read back over $host', async ({ host, entries }) => {
    const socket = await over(host);
    const kernel = () => entries.map((entry) => getOption(fdOf(socket), entry));
    expect(getKeepAlive(socket)).toMatchObject({ failOnUnreachable: false });
    for (const failOnUnreachable of [true, false]) {
      expect(setKeepAlive(socket, { failOnUnreachable }, { strict: true })).toEqual({ failOnUnreachable });
      expect(kernel()).toEqual(entries.map(() => Number(failOnUnreachable)));
      expect(getKeepAlive(socket)).toMatchObject({ failOnUnreachable });
    }
  });

  test('does not turn probes on, and is in no preset', async () => {
    const socket = await over('127.0.0.1');
    setKeepAlive(socket, { failOnUnreachable: true });
    expect(getKeepAlive(socket)).toMatchObject({ enable: false });
    setKeepAlive(socket, 'database');
    expect(getKeepAlive(socket)).toMatchObject({ enable: true, failOnUnreachable: true });
  });

  test.each([
    { listenOn: '127.0.0.1', from: '127.0.0.1' },
    { listenOn: '::1', from: '::1' },
    { listenOn: '::', from: '127.0.0.1' },
  ])('is inherited from a listener on $listenOn by a connection from $from', async ({ listenOn, from }) => {
    const server = keepAliveServer(net.createServer(), { failOnUnreachable: true });
    await listen(server, 0, listenOn);
    const set = vi.spyOn(loadLibc(), 'setsockopt');
    onTestFinished(() => set.mockRestore());
    expect(getKeepAlive(await accept(server, from))).toMatchObject({ failOnUnreachable: true });
    expect(set).not.toHaveBeenCalled();
  });

  test.each([
    { host: '127.0.0.1', entry: ofIpv4 },
    { host: '::1', entry: ofIpv4 },
    { host: '::1', entry: ofIpv6 },
  ])(
    'is held: what another program writes to $entry.constant over $host is put right',
    async ({ host, entry }) => {
      const socket = keepAlive(await over(host), { failOnUnreachable: true });
      setOption(fdOf(socket), entry, 0);
      expect(getKeepAlive(socket)).toMatchObject({ failOnUnreachable: false });
      socket.setKeepAlive(true, 60_000);
      expect(getKeepAlive(socket)).toMatchObject({ failOnUnreachable: true, initialDelay: 60_000 });
      setKeepAlive(socket, { failOnUnreachable: false });
      setOption(fdOf(socket), ofIpv4, 1);
      if (host === '::1') setOption(fdOf(socket), ofIpv6, 1);
      socket.setKeepAlive(true, 61_000);
      expect(getKeepAlive(socket)).toMatchObject({ failOnUnreachable: false });
    },
  );

  test('is not written again if it is as held', async () => {
    const socket = keepAlive(await over('::1'), { failOnUnreachable: true });
    expect(optionsSetBy(() => keepAlive(socket, { failOnUnreachable: true }))).toEqual([]);
  });

  test('is set on the connections of a process', async () => {
    const { pid, port } = await clientsOf(1);
    const [change] = await applyToProcess(pid, { remote: port }, { failOnUnreachable: true });
    expect(change).toMatchObject({
      before: { failOnUnreachable: false },
      after: { failOnUnreachable: true },
      skipped: [],
    });
  });

  test('is skipped on Multipath TCP, and strict refuses it there', async ({ skip }) => {
    const missing = missingMultipath();
    skip(missing !== undefined, missing);
    const socket = await adopted('MPTCP');
    const options = { count: 5, failOnUnreachable: true };
    expect(setKeepAlive(socket, options)).toEqual({ enable: true, count: 5, skipped: ['failOnUnreachable'] });
    expect(getKeepAlive(socket)).not.toHaveProperty('failOnUnreachable');
    expect(() => setKeepAlive(socket, { failOnUnreachable: true }, { strict: true })).toThrow(
      expect.objectContaining({ code: 'ERR_KEEPALIVE_UNSUPPORTED', applied: [] }),
    );
    // Others still have it.
    expect(setKeepAlive(await connection(), options)).not.toHaveProperty('skipped');
  });
});

test.runIf(process.platform !== 'win32')(
  'a system without failOnUnreachable, here a fake of macOS, names it, and strict refuses it',
  async () => {
    const client = await connection();
    recordedLibc();
    const { capabilities, keepAlive, setKeepAlive } = await packageOn('darwin');
    expect(capabilities().options.failOnUnreachable).toEqual({
      set: false,
      read: false,
      reason: 'darwin has no such option',
    });
    const options = { enable: true, failOnUnreachable: true };
    expect(setKeepAlive(client, options)).toEqual({ enable: true, skipped: ['failOnUnreachable'] });
    expect(() => setKeepAlive(client, options, { strict: true })).toThrow(
      expect.objectContaining({ code: 'ERR_KEEPALIVE_UNSUPPORTED' }),
    );
    const onError = vi.fn();
    keepAlive(client, { failOnUnreachable: false }, { onError });
    expect(onError).not.toHaveBeenCalled();
    keepAlive(client, options, { onError });
    expect(onError).toHaveBeenCalledOnce();
    expect(onError.mock.calls[0]?.[0]).toSatisfy(isKeepAliveError);
    expect(onError.mock.calls[0]?.[0]).toHaveProperty(
      'message',
      expect.stringContaining('`failOnUnreachable`'),
    );
  },
);

const hasTunnels =
  spawnSync('unshare', ['-Urn', 'ip', 'tuntap', 'add', 'dev', 'path0', 'mode', 'tun']).status === 0;
if (!hasTunnels)
  console.warn('Skipped: a router that reports a peer: no network namespace with a TUN device');

/** What became of a connection whose peer a router reports as unreachable. */
interface End {
  /** From the report on, in milliseconds. */
  readonly after: number;
  /** The code of the error, or `lives`. */
  readonly message: string;
  readonly syscall?: string;
  /** What the channel `tcp-keepalive:lost` told. */
  readonly state?: string;
  readonly timer?: string;
  /** How busy the program was before the socket was read. */
  readonly utilization?: number;
  /** Whether the connection was open before its socket was read or written to. */
  readonly wasOpen?: boolean;
  readonly received: number;
  readonly written: boolean;
}

async function reported(version: string, scene: string, options: KeepAliveOptions): Promise<End> {
  const args = [version, scene, options].map((value) => JSON.stringify(value));
  const { stdout } = await promisify(execFile)(
    'unshare',
    ['-Urn', process.execPath, ...(await fixtureArguments('unreachable.ts', ...args))],
    { timeout: PATIENCE, killSignal: 'SIGKILL' },
  );
  return JSON.parse(stdout);
}

const failing = { failOnUnreachable: true } as const;

/** Long after the first report, and long before a connection without the option ends. */
const AT_ONCE = 2_000;

describe.runIf(hasTunnels).concurrent('a router that reports the peer', () => {
  test.for(['4', '6', 'mapped'])('ends data in flight at once, over IPv%s', async (version, { expect }) => {
    const { after, ...end } = await reported(version, 'in flight', failing);
    expect(end).toMatchObject({ message: 'EHOSTUNREACH', syscall: 'read', timer: 'icmp' });
    const { onIcmp } = predictDetection(failing).unacknowledged;
    expect(after).toBeGreaterThanOrEqual(onIcmp.earliest);
    expect(after).toBeLessThan(Math.min(AT_ONCE, onIcmp.latest));
  });

  test.for(['4', '6', 'mapped'])(
    'ends nothing without the option, over IPv%s',
    async (version, { expect }) => {
      expect(await reported(version, 'in flight', {})).toMatchObject({ message: 'lives' });
    },
  );

  test('a firewall that rejects packets does so too, and it is told as a loss', async ({ expect }) => {
    const { after, ...end } = await reported('4', 'refused', failing);
    expect(end).toMatchObject({ message: 'ECONNREFUSED', syscall: 'read', timer: 'icmp' });
    expect(after).toBeLessThan(AT_ONCE);
  });

  test('does not end an idle connection, whose probes decide', async ({ expect }) => {
    const options = { ...failing, initialDelay: 1_000, interval: 1_000, count: 3 };
    const { after, ...end } = await reported('4', 'idle', options);
    expect(end).toMatchObject({ message: 'ETIMEDOUT', state: 'idle', timer: 'keepalive' });
    // Its clock began with the last packet, a tenth of a second before.
    expect(after).toBeGreaterThan(predictDetection(options).idle.earliest - 1_000);
  });

  test('does not end a connection whose window is full', async ({ expect }) => {
    expect(await reported('4', 'full', failing)).toMatchObject({ message: 'lives' });
  });

  test.for([{}, failing])('ends an attempt to connect with %o', async (options, { expect }) => {
    const { after, ...end } = await reported('4', 'connecting', options);
    expect(end).toMatchObject({ message: 'EHOSTUNREACH', syscall: 'connect' });
    expect(after).toBeLessThan(AT_ONCE);
  });

  test('costs a paused socket nothing, which is told after its bytes', async ({ expect }) => {
    const { utilization, ...end } = await reported('4', 'not read', failing);
    expect(end).toMatchObject({ wasOpen: true, message: 'EHOSTUNREACH', syscall: 'read', received: 50_000 });
    // A program that is woken again and again would be busy all the time.
    expect(utilization).toBeLessThan(0.5);
  });

  test('tells a paused socket at its next write, though the peer is back', async ({ expect }) => {
    const { utilization, ...end } = await reported('6', 'written to later', failing);
    expect(end).toMatchObject({ wasOpen: true, message: 'EHOSTUNREACH', syscall: 'write', written: false });
    expect(utilization).toBeLessThan(0.5);
  });
});

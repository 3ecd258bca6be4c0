import { capabilities } from 'tcp-keepalive';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { optionNames } from '../../src/options/options.ts';
import { parseKeepAliveOptions } from '../../src/options/parse.ts';
import { presets } from '../../src/options/presets.ts';
import { nodeTakesIntervalAndCount } from '../../src/sockets/node-way.ts';
import { connectedPair } from '../helpers/connected-pair.ts';
import { hideHandles } from '../helpers/fake-windows.ts';
import { missingKoffi } from '../helpers/missing-koffi.ts';
import { packageOn } from '../helpers/package-on.ts';
import { recordedLibc } from '../helpers/recorded-libc.ts';
import { hasRetransmitInterval } from '../helpers/retransmit-interval.ts';

test.runIf(process.platform === 'linux')('Linux has everything', () => {
  expect(capabilities()).toStrictEqual({
    platform: 'linux',
    through: 'setsockopt',
    options: {
      enable: { set: true, read: true, constant: 'SO_KEEPALIVE' },
      initialDelay: { set: true, read: true, constant: 'TCP_KEEPIDLE' },
      interval: { set: true, read: true, constant: 'TCP_KEEPINTVL' },
      count: { set: true, read: true, constant: 'TCP_KEEPCNT' },
      userTimeout: { set: true, read: true, constant: 'TCP_USER_TIMEOUT' },
      maxRetransmitInterval: hasRetransmitInterval
        ? { set: true, read: true, constant: 'TCP_RTO_MAX_MS' }
        : { set: false, read: false, reason: 'this kernel has no TCP_RTO_MAX_MS' },
      failOnUnreachable: { set: true, read: true, constant: 'IP_RECVERR' },
    },
    tcpInfo: true,
  });
});

test('nobody can change the answer', () => {
  const { options } = capabilities();
  expect(Object.isFrozen(capabilities())).toBe(true);
  expect(Object.isFrozen(options)).toBe(true);
  for (const option of Object.values(options)) expect(Object.isFrozen(option)).toBe(true);
});

describe('a system whose kernel lacks some', () => {
  const ofLinux: readonly string[] = ['maxRetransmitInterval', 'failOnUnreachable'];

  test.each([
    { platform: 'darwin', lacks: [], bound: 'TCP_RXT_CONNDROPTIME', tcpInfo: true },
    { platform: 'freebsd', lacks: [], bound: 'TCP_MAXUNACKTIME' },
    { platform: 'netbsd', lacks: ['userTimeout'], bound: undefined },
    { platform: 'openbsd', lacks: ['initialDelay', 'interval', 'count', 'userTimeout'], bound: undefined },
  ])('$platform lacks $lacks', async ({ platform, lacks, bound, tcpInfo = false }) => {
    recordedLibc();
    const { capabilities } = await packageOn(platform);
    const { options, ...rest } = capabilities();
    expect(rest).toEqual({ platform, through: 'setsockopt', tcpInfo });
    expect(options.userTimeout.constant).toBe(bound);
    for (const name of optionNames) {
      const lacking = { set: false, read: false, reason: `${platform} has no such option` };
      expect(options[name]).toEqual(
        ofLinux.includes(name) || lacks.some((lack) => lack === name)
          ? lacking
          : { set: true, read: true, constant: expect.any(String) },
      );
    }
  });
});

describe('where only Node’s own call is left', () => {
  const obstacles = [
    {
      where: 'a worker on Windows',
      platform: 'win32',
      reason:
        'Windows shows no descriptor, and none can be found: Node shows the event loop of a worker thread from 26.11 on',
    },
    { where: 'a system that nobody has written', platform: 'aix', reason: 'no option table for aix' },
    {
      where: 'Deno',
      platform: 'linux',
      reason: 'Deno shows no descriptor, and none can be found: not allowed',
    },
    { where: 'without koffi', platform: 'linux', reason: 'not installed' },
  ];

  test.each(obstacles)('$where', async ({ where, platform, reason }) => {
    if (where === 'Deno') stubDeno();
    if (platform === 'win32') {
      recordedLibc();
      hideHandles();
    }
    if (where === 'without koffi') missingKoffi(new Error('not installed'));
    const { capabilities } = await packageOn(platform);
    const { options, ...rest } = capabilities();
    expect(rest).toEqual({ platform, through: 'node', reason, tcpInfo: false });
    for (const name of optionNames) {
      const set =
        name === 'enable' ||
        name === 'initialDelay' ||
        ((name === 'interval' || name === 'count') && nodeTakesIntervalAndCount);
      expect(options[name]).toMatchObject({
        set,
        read: false,
        reason: set ? `cannot be read: ${reason}` : reason,
      });
    }
  });

  test('Windows always has its names for them', async () => {
    const { capabilities } = await packageOn('win32');
    expect(capabilities().options.userTimeout.constant).toBe('TCP_MAXRTMS');
  });
});

describe('a Linux before 6.15 is known by its sysctls', () => {
  test.each([
    { sysctls: ['tcp_retries2', 'tcp_rto_max_ms'], set: true },
    { sysctls: ['tcp_retries2'], set: false },
    { sysctls: [], set: true },
  ])('if it has $sysctls, maxRetransmitInterval can be set: $set', async ({ sysctls, set }) => {
    recordedLibc();
    vi.doMock('node:fs', async (original) => ({
      ...(await original<typeof import('node:fs')>()),
      existsSync: (file: string) => sysctls.some((name) => file === `/proc/sys/net/ipv4/${name}`),
    }));
    onTestFinished(() => void vi.doUnmock('node:fs'));
    const { capabilities } = await packageOn('linux');
    // The answer is remembered.
    for (let i = 0; i < 2; i++) {
      expect(capabilities().options.maxRetransmitInterval).toMatchObject({ set, read: set });
    }
  });
});

test.each(optionNames)('%s can be set exactly where it says so', async (name) => {
  const { client, close } = await connectedPair();
  onTestFinished(close);
  const all = { ...presets.database, failOnUnreachable: true };
  for (const system of [process.platform, 'openbsd', 'aix']) {
    if (system === 'openbsd') recordedLibc();
    const here = await packageOn(system);
    const set = () => here.setKeepAlive(client, all).skipped?.includes(name) !== true;
    expect({ system, set: set() }).toEqual({ system, set: here.capabilities().options[name].set });
  }
});

describe('expectSettable', () => {
  const every = parseKeepAliveOptions('database');
  const reached = { enable: true, initialDelay: 10_000 };

  test.each([
    { system: 'linux', settings: every },
    { system: 'linux', settings: {} },
    { system: 'openbsd', settings: { enable: true } },
  ])('accepts what $system can set: $settings', async ({ system, settings }) => {
    recordedLibc();
    const { expectSettable } = await capabilitiesOn(system);
    expect(() => expectSettable(settings)).not.toThrow();
  });

  test.each([
    { system: 'openbsd', settings: reached, message: 'Cannot set `initialDelay` on openbsd' },
    { system: 'netbsd', settings: every, message: 'Cannot set `userTimeout` on netbsd' },
    {
      system: 'win32',
      settings: reached,
      message: 'as strict asks: Windows shows no descriptor, and none can be found',
    },
  ])('refuses what $system cannot: $message', async ({ system, settings, message }) => {
    recordedLibc();
    hideHandles();
    const { expectSettable } = await capabilitiesOn(system);
    expect(() => expectSettable(settings)).toThrow(
      expect.objectContaining({
        code: 'ERR_KEEPALIVE_UNSUPPORTED',
        message: expect.stringContaining(message),
      }),
    );
  });
});

/** The file as on another platform. */
async function capabilitiesOn(platform: string): Promise<typeof import('../../src/sockets/capabilities.ts')> {
  await packageOn(platform);
  return import('../../src/sockets/capabilities.ts');
}

/** Deno, which does not allow the program to list its descriptors. */
function stubDeno(): void {
  vi.stubGlobal('Deno', {});
  vi.doMock('node:fs', async (original) => ({
    ...(await original<typeof import('node:fs')>()),
    readdirSync() {
      throw new Error('not allowed');
    },
  }));
  onTestFinished(() => void vi.doUnmock('node:fs'));
  onTestFinished(() => void vi.unstubAllGlobals());
}

import os, { constants } from 'node:os';
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { lacking, obstacleToCalls, planWrites } from '../../src/kernel/calls.ts';
import { parseKeepAliveOptions } from '../../src/options/parse.ts';
import { connection } from '../helpers/connection.ts';
import { missingKoffi } from '../helpers/missing-koffi.ts';
import { packageOn } from '../helpers/package-on.ts';
import { recordedLibc } from '../helpers/recorded-libc.ts';

test('the calls of one settings object are worked out once', () => {
  const settings = parseKeepAliveOptions('database');
  expect(planWrites(settings)).toBe(planWrites(settings));
  expect(planWrites({ ...settings })).not.toBe(planWrites(settings));
  expect(planWrites({ ...settings })).toEqual(planWrites(settings));
});

test.runIf(process.platform === 'linux')('what strict misses is named with the kernel’s own names', () => {
  expect(lacking(['interval', 'userTimeout']).message).toBe(
    'Cannot set `interval` (TCP_KEEPINTVL), `userTimeout` (TCP_USER_TIMEOUT) on linux, ' +
      'and strict asks for every option; leave strict out to set the rest',
  );
});

describe.runIf(process.platform === 'linux')('what keeps this system from being called', () => {
  test('is nothing with koffi', () => {
    expect(obstacleToCalls()).toBeUndefined();
  });

  test('is that koffi is missing, or that nobody knows its options', async () => {
    missingKoffi(new Error('no koffi'));
    await packageOn('linux');
    expect((await import('../../src/kernel/calls.ts')).obstacleToCalls()).toBe('no koffi');
    await packageOn('aix');
    expect((await import('../../src/kernel/calls.ts')).obstacleToCalls()).toBe('no option table for aix');
  });
});

test('an option that its kernel turned out to lack gives way to an older one, and then to none', async () => {
  await packageOn('win32');
  const calls = await import('../../src/kernel/calls.ts');
  const row = () => calls.table.userTimeout?.constant;
  expect([row(), calls.isForgotten('userTimeout')]).toEqual(['TCP_MAXRTMS', false]);
  expect(calls.forgetOption('userTimeout')).toBe(true);
  expect([row(), calls.isForgotten('userTimeout')]).toEqual(['TCP_MAXRT', false]);
  expect(calls.forgetOption('userTimeout')).toBe(false);
  expect([row(), calls.isForgotten('userTimeout')]).toEqual([undefined, true]);
  // Windows never had this one.
  expect(calls.isForgotten('maxRetransmitInterval')).toBe(false);
});

// What each kernel is told for one and the same call, as its own headers have the numbers.
const asked = { initialDelay: 20_000, interval: 11_000, count: 3, userTimeout: 24_500 };
const systems = [
  { platform: 'linux', told: '6/18=24500 6/5=11 6/6=3 6/4=20 1/9=1', skipped: undefined },
  { platform: 'android', told: '6/18=24500 6/5=11 6/6=3 6/4=20 1/9=1', skipped: undefined },
  {
    platform: 'darwin',
    told: '6/128=25 6/64=25 6/32=25 6/257=11 6/258=3 6/16=20 65535/8=1',
    skipped: undefined,
  },
  { platform: 'freebsd', told: '6/68=25 6/512=11 6/1024=3 6/256=20 65535/8=1', skipped: undefined },
  { platform: 'netbsd', told: '6/5=11 6/6=3 6/3=20 65535/8=1', skipped: ['userTimeout'] },
  {
    platform: 'sunos',
    version: 'omnios-r151050-2d8f2e0e3f',
    told: '6/17=24500 6/36=11 6/35=3 6/34=20 65535/8=1',
    skipped: undefined,
  },
  {
    platform: 'sunos',
    version: '11.4.42.111.0',
    told: '6/30=11 6/31=3 6/29=20 65535/8=1',
    skipped: ['userTimeout'],
  },
  { platform: 'win32', told: '6/14=24500 6/17=11 6/16=3 6/3=20 65535/8=1', skipped: undefined },
  {
    platform: 'openbsd',
    told: '65535/8=1',
    skipped: ['initialDelay', 'interval', 'count', 'userTimeout'],
  },
];

describe.each(systems)('setKeepAlive on $platform $version', ({ platform, version, told, skipped }) => {
  beforeEach(() => {
    if (version === undefined) return;
    const spy = vi.spyOn(os, 'version').mockReturnValue(version);
    onTestFinished(() => void spy.mockRestore());
  });

  test(`tells the kernel ${told}`, async () => {
    const client = await connection();
    const { calls } = recordedLibc();
    const { setKeepAlive } = await packageOn(platform);

    const applied = setKeepAlive(client, asked);

    expect(calls.map(({ level, name, value }) => `${level}/${name}=${value}`).join(' ')).toBe(told);
    expect(applied.skipped).toEqual(skipped);
    expect(Object.keys(applied).sort()).toEqual(
      ['enable', ...Object.keys(asked), 'skipped']
        .filter((name) => (name === 'skipped' ? skipped : !skipped?.includes(name)))
        .sort(),
    );
  });

  test('strict throws for what it lacks, and tells the kernel nothing', async () => {
    const client = await connection();
    const { calls } = recordedLibc();
    const { setKeepAlive } = await packageOn(platform);

    const call = () => setKeepAlive(client, asked, { strict: true });

    if (skipped === undefined) {
      expect(call()).toMatchObject({ count: 3 });
    } else {
      expect(call).toThrow(expect.objectContaining({ code: 'ERR_KEEPALIVE_UNSUPPORTED', applied: [] }));
      expect(calls).toEqual([]);
    }
  });
});

test('a kernel that counts the user timeout in seconds rounds it up, and the result says so', async () => {
  const client = await connection();
  recordedLibc();
  const { setKeepAlive } = await packageOn('darwin');
  expect(setKeepAlive(client, { userTimeout: 24_001 })).toEqual({ userTimeout: 25_000 });
});

test('a socket that was shut down both ways is a destroyed one on macOS, whichever call it refuses', async () => {
  const client = await connection();
  const { failures } = recordedLibc();
  const { getKeepAlive, keepAlive, setKeepAlive } = await packageOn('darwin');
  const destroyed = {
    code: 'ERR_KEEPALIVE_DESTROYED',
    message: expect.stringContaining('shut down both ways'),
    cause: expect.objectContaining({ code: 'EINVAL' }),
  };
  for (const { name, applied } of [
    { name: 0x80, applied: [] },
    { name: 0x102, applied: ['userTimeout', 'interval'] },
  ]) {
    failures.clear();
    failures.set(name, constants.errno.EINVAL);
    expect(() => setKeepAlive(client, 'database')).toThrow(
      expect.objectContaining({ ...destroyed, applied }),
    );
    expect(() => getKeepAlive(client)).toThrow(expect.objectContaining(destroyed));
  }
  // There is nothing to hold any more, and nothing to tell.
  const problems: Error[] = [];
  keepAlive(client, 'database', { onError: (error) => problems.push(error) });
  expect(problems).toEqual([]);
});

test('an interval over 60 s, which illumos refuses, is named with what is not set', async () => {
  const client = await connection();
  const { failures } = recordedLibc();
  failures.set(0x24, constants.errno.EINVAL);
  const spy = vi.spyOn(os, 'version').mockReturnValue('omnios-r151050-2d8f2e0e3f');
  onTestFinished(() => void spy.mockRestore());
  const { setKeepAlive } = await packageOn('sunos');
  expect(() =>
    setKeepAlive(client, { initialDelay: 120_000, interval: 75_000, userTimeout: 200_000 }),
  ).toThrow(
    expect.objectContaining({
      code: 'EINVAL',
      option: 'TCP_KEEPINTVL',
      applied: ['userTimeout'],
      message: 'setsockopt TCP_KEEPINTVL failed: EINVAL; not set: `interval`, `initialDelay`, `enable`',
    }),
  );
});

test('a Sun that is neither illumos nor Solaris is left to Node', async () => {
  const client = await connection();
  const { calls } = recordedLibc();
  const spy = vi.spyOn(os, 'version').mockReturnValue('something-else');
  onTestFinished(() => void spy.mockRestore());
  const { capabilities, setKeepAlive } = await packageOn('sunos');
  expect(setKeepAlive(client, { initialDelay: 20_000 })).toEqual({ enable: true, initialDelay: 20_000 });
  expect(capabilities().through).toBe('node');
  expect(calls).toEqual([]);
});

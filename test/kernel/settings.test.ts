import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { constants } from 'node:os';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { loadLibc } from '../../native-bindings/libc.ts';
import { linux } from '../../native-bindings/platforms/linux.ts';
import { correctSettings, readSettings, writeSettings } from '../../src/kernel/settings.ts';
import type { KeepAliveInput, KeepAliveSettings } from '../../src/options/options.ts';
import { parseKeepAliveOptions } from '../../src/options/parse.ts';
import { presets } from '../../src/options/presets.ts';
import {
  adopted,
  connection,
  missingMultipath,
  unixConnection,
  untouched,
  untouchedConnection,
} from '../helpers/connection.ts';
import { failCallsOf } from '../helpers/fail-calls.ts';
import { optionsSetBy } from '../helpers/hold-parts.ts';
import { packageOn } from '../helpers/package-on.ts';
import { fdOf, kernelValues, writeRaw } from '../helpers/raw-options.ts';
import { recordedLibc } from '../helpers/recorded-libc.ts';

const database = parseKeepAliveOptions('database');

function numberOf(option: keyof typeof linux): number {
  return linux[option]?.name ?? expect.fail(`no ${option} on Linux`);
}

/** Lets each call of an option fail with EPERM until the test ends. */
function refuse(option: keyof typeof linux): void {
  failCallsOf(numberOf(option), constants.errno.EPERM);
}

describe.runIf(process.platform === 'linux')('writing', () => {
  test('five options are five system calls, SO_KEEPALIVE the last', async () => {
    const fd = fdOf(await untouchedConnection());
    const set = vi.spyOn(loadLibc(), 'setsockopt');
    const get = vi.spyOn(loadLibc(), 'getsockopt');
    onTestFinished(() => {
      set.mockRestore();
      get.mockRestore();
    });
    expect(writeSettings(fd, database, false)).toEqual(presets.database);
    expect(set.mock.calls).toEqual([
      [fd, 6, 18],
      [fd, 6, 5],
      [fd, 6, 6],
      [fd, 6, 4],
      [fd, 1, 9],
    ]);
    expect(get).not.toHaveBeenCalled();
  });

  test.each([
    { failing: 'userTimeout', applied: [], kernel: '0:7200/75/9 0' },
    { failing: 'interval', applied: ['userTimeout'], kernel: '0:7200/75/9 24500' },
    { failing: 'count', applied: ['userTimeout', 'interval'], kernel: '0:7200/5/9 24500' },
    { failing: 'initialDelay', applied: ['userTimeout', 'interval', 'count'], kernel: '0:7200/5/3 24500' },
    {
      failing: 'enable',
      applied: ['userTimeout', 'interval', 'count', 'initialDelay'],
      kernel: '0:10/5/3 24500',
    },
  ] as const)(
    'a call that fails at $failing names what was applied: $applied',
    async ({ failing, applied, kernel }) => {
      const client = await untouchedConnection();
      const order = ['userTimeout', 'interval', 'count', 'initialDelay', 'enable'];
      const left = order.slice(applied.length);
      const { constant } = linux[failing] ?? expect.fail(`no ${failing} on Linux`);
      refuse(failing);
      expect(() => writeSettings(fdOf(client), database, false)).toThrow(
        expect.objectContaining({
          code: 'EPERM',
          errno: -constants.errno.EPERM,
          syscall: 'setsockopt',
          option: constant,
          message: `setsockopt ${constant} failed: EPERM; not set: ${left.map((name) => `\`${name}\``).join(', ')}`,
          applied,
        }),
      );
      expect(kernelValues(client)).toBe(kernel);
    },
  );

  test.each<{ options: KeepAliveInput; strict: boolean }>([
    { options: 'database', strict: false },
    { options: { userTimeout: 5_000 }, strict: false },
    { options: { userTimeout: 5_000 }, strict: true },
    { options: { enable: true }, strict: false },
    { options: {}, strict: false },
  ])(
    'a UDP socket, which has no user timeout either, is no TCP one: $options, strict: $strict',
    async ({ options, strict }) => {
      const udp = createSocket('udp4').bind(0, '127.0.0.1');
      onTestFinished(() => void udp.close());
      await once(udp, 'listening');
      expect(() => writeSettings(descriptorOf(udp), parseKeepAliveOptions(options), strict)).toThrow(
        expect.objectContaining({ code: 'ERR_KEEPALIVE_NOT_TCP', applied: [] }),
      );
    },
  );

  test('what is written already may be refused: Linux does so with a delay of a day', async () => {
    const client = await untouchedConnection();
    writeSettings(fdOf(client), database, false);
    const get = loadLibc().getsockopt;
    failCallsOf(numberOf('initialDelay'), constants.errno.EINVAL);
    expect(writeSettings(fdOf(client), database, false)).toEqual(presets.database);
    expect(() => writeSettings(fdOf(client), { initialDelay: 11_000 }, false)).toThrow(
      expect.objectContaining({ code: 'EINVAL', applied: [] }),
    );
    // A value that cannot be read is not known to be written.
    const unread = vi
      .spyOn(loadLibc(), 'getsockopt')
      .mockImplementation((fd, level, name) =>
        name === numberOf('initialDelay') ? -1 : get(fd, level, name),
      );
    onTestFinished(() => unread.mockRestore());
    expect(() => writeSettings(fdOf(client), database, false)).toThrow(
      expect.objectContaining({ code: 'EINVAL', syscall: 'setsockopt' }),
    );
  });

  test('another refusal stands, even if the value is written already', async () => {
    const client = await untouchedConnection();
    writeSettings(fdOf(client), database, false);
    refuse('initialDelay');
    expect(() => writeSettings(fdOf(client), database, false)).toThrow(
      expect.objectContaining({ code: 'EPERM' }),
    );
  });

  test('of no options proves the descriptor to be TCP by TCP_NODELAY', async () => {
    const fd = fdOf(await untouchedConnection());
    const get = vi.spyOn(loadLibc(), 'getsockopt');
    onTestFinished(() => get.mockRestore());
    expect(writeSettings(fd, {}, false)).toEqual({});
    expect(get.mock.calls).toEqual([[fd, 6, 1]]);
  });

  test('no options at all are none for a Unix socket either', async () => {
    const fd = fdOf(await unixConnection());
    expect(() => writeSettings(fd, {}, false)).toThrow(
      expect.objectContaining({ code: 'ERR_KEEPALIVE_NOT_TCP', applied: [] }),
    );
  });
});

describe.runIf(process.platform === 'linux')('correcting', () => {
  test.each<{ what: string; settings: KeepAliveSettings; written: readonly string[] }>([
    { what: 'nothing', settings: database, written: [] },
    { what: 'one option', settings: { ...database, count: 4 }, written: ['TCP_KEEPCNT'] },
    {
      what: 'two, in the order of writing',
      settings: { ...database, enable: false, interval: 6_000 },
      written: ['TCP_KEEPINTVL', 'SO_KEEPALIVE'],
    },
  ])('writes what differs: $what', async ({ settings, written }) => {
    const client = await untouchedConnection();
    writeSettings(fdOf(client), database, false);
    expect(optionsSetBy(() => correctSettings(fdOf(client), settings))).toEqual(written);
    expect(readSettings(fdOf(client))).toEqual(settings);
  });

  test('names what was applied before a call failed', async () => {
    const client = await untouchedConnection();
    writeRaw(client, 'interval', 5);
    refuse('count');
    expect(() => correctSettings(fdOf(client), database)).toThrow(
      expect.objectContaining({
        code: 'EPERM',
        message: 'setsockopt TCP_KEEPCNT failed: EPERM; not set: `count`, `initialDelay`, `enable`',
        applied: ['userTimeout'],
      }),
    );
    expect(kernelValues(client)).toBe('0:7200/5/9 24500');
  });
});

describe.runIf(process.platform === 'linux')('reading', () => {
  test('gives all five in milliseconds, frozen', async () => {
    const client = await untouchedConnection();
    expect(kernelValues(client)).toBe(untouched);
    const settings = readSettings(fdOf(client));
    expect(settings).toEqual({
      enable: false,
      initialDelay: 7_200_000,
      interval: 75_000,
      count: 9,
      userTimeout: 0,
    });
    expect(Object.isFrozen(settings)).toBe(true);
  });

  test('is one system call for each option', async () => {
    const fd = fdOf(await untouchedConnection());
    const get = vi.spyOn(loadLibc(), 'getsockopt');
    onTestFinished(() => get.mockRestore());
    readSettings(fd);
    expect(get).toHaveBeenCalledTimes(5);
  });

  test('refuses what is not TCP', async () => {
    const fd = fdOf(await unixConnection());
    expect(() => readSettings(fd)).toThrow(expect.objectContaining({ code: 'ERR_KEEPALIVE_NOT_TCP' }));
  });
});

describe.runIf(process.platform === 'linux')('a Multipath TCP socket, which lacks a user timeout', () => {
  const missing = missingMultipath();
  const { userTimeout: _, ...rest } = presets.database;

  async function multipath(skip: (because: string) => void): Promise<number> {
    if (missing !== undefined) skip(missing);
    return fdOf(await adopted('MPTCP'));
  }

  test('takes the rest', async ({ skip }) => {
    const fd = await multipath(skip);
    expect(writeSettings(fd, database, false)).toEqual({ ...rest, skipped: ['userTimeout'] });
    expect(readSettings(fd)).toEqual(rest);
    expect(writeSettings(fd, readSettings(fd), true)).toEqual(rest);
  });

  test('skips a user timeout alone, and sets nothing', async ({ skip }) => {
    const fd = await multipath(skip);
    const before = readSettings(fd);
    expect(writeSettings(fd, { userTimeout: 5_000 }, false)).toEqual({ skipped: ['userTimeout'] });
    expect(readSettings(fd)).toEqual(before);
    expect(writeSettings(fd, { userTimeout: 5_000, enable: true }, false)).toEqual({
      enable: true,
      skipped: ['userTimeout'],
    });
    expect(readSettings(fd)).toEqual({ ...before, enable: true });
  });

  test('is refused by strict, and nothing is set', async ({ skip }) => {
    const fd = await multipath(skip);
    const before = readSettings(fd);
    expect(() => writeSettings(fd, database, true)).toThrow(
      expect.objectContaining({
        code: 'ERR_KEEPALIVE_UNSUPPORTED',
        message:
          'Expected every option to be available (strict), got no `userTimeout` (TCP_USER_TIMEOUT) on linux for this connection; leave strict out to set the rest',
        cause: expect.objectContaining({ code: 'ENOPROTOOPT' }),
        applied: [],
      }),
    );
    expect(readSettings(fd)).toEqual(before);
  });

  test.for([
    { failing: 'interval', applied: [] },
    { failing: 'count', applied: ['interval'] },
    { failing: 'enable', applied: ['interval', 'count', 'initialDelay'] },
  ] as const)(
    'has no user timeout applied if $failing fails later: $applied',
    async ({ failing, applied }, { skip }) => {
      const fd = await multipath(skip);
      const libc = loadLibc();
      const { setsockopt } = libc;
      // Only this option is refused by the test, and the user timeout by the kernel.
      const set = vi
        .spyOn(libc, 'setsockopt')
        .mockImplementation((descriptor, level, name) =>
          name === numberOf(failing) ? setsockopt(-1, level, name) : setsockopt(descriptor, level, name),
        );
      onTestFinished(() => set.mockRestore());
      expect(() => writeSettings(fd, database, false)).toThrow(
        expect.objectContaining({ code: 'EBADF', applied }),
      );
    },
  );

  test('is corrected without it', async ({ skip }) => {
    const fd = await multipath(skip);
    const written = optionsSetBy(() => correctSettings(fd, database));
    expect(written).toEqual(['TCP_KEEPINTVL', 'TCP_KEEPCNT', 'TCP_KEEPIDLE', 'SO_KEEPALIVE']);
    expect(readSettings(fd)).toEqual(rest);
  });
});

/** Other systems, here fakes of them: the same numbers as in `calls.test.ts`. Node gives no descriptor on Windows. */
const asked = { initialDelay: 20_000, interval: 11_000, count: 3, userTimeout: 24_500 };
const givesDescriptors = process.platform !== 'win32';

test.runIf(givesDescriptors)('Berkeley answers with the flag, not with 1', async () => {
  const client = await connection();
  const { answers } = recordedLibc();
  const { getKeepAlive } = await packageOn('freebsd');
  answers.set(8, 8).set(256, 20).set(512, 11).set(1024, 3).set(68, 25);
  expect(getKeepAlive(client)).toEqual({ enable: true, ...asked, userTimeout: 25_000 });
  answers.set(8, 0);
  expect(getKeepAlive(client)).toMatchObject({ enable: false });
});

test.runIf(givesDescriptors)('OpenBSD, which has no other TCP option, is asked for TCP_NODELAY', async () => {
  const client = await connection();
  const { failures } = recordedLibc();
  const { getKeepAlive } = await packageOn('openbsd');
  expect(getKeepAlive(client)).toEqual({ enable: false });
  failures.set(1, constants.errno.ENOPROTOOPT);
  expect(() => getKeepAlive(client)).toThrow(expect.objectContaining({ code: 'ERR_KEEPALIVE_NOT_TCP' }));
});

test.runIf(givesDescriptors)(
  'FreeBSD before 14 has no user timeout: it is skipped and not read',
  async () => {
    const client = await connection();
    const { calls, failures } = recordedLibc();
    const { getKeepAlive, setKeepAlive } = await packageOn('freebsd');
    failures.set(68, constants.errno.ENOPROTOOPT);

    expect(setKeepAlive(client, asked)).toEqual({
      enable: true,
      initialDelay: 20_000,
      interval: 11_000,
      count: 3,
      skipped: ['userTimeout'],
    });
    expect(calls).toHaveLength(5);
    expect(getKeepAlive(client)).not.toHaveProperty('userTimeout');
  },
);

test.runIf(givesDescriptors)(
  'FreeBSD before 14 has no user timeout applied if a call fails later',
  async () => {
    const client = await connection();
    const { failures } = recordedLibc();
    const { setKeepAlive } = await packageOn('freebsd');
    failures.set(68, constants.errno.ENOPROTOOPT).set(1_024, constants.errno.EPERM);

    expect(() => setKeepAlive(client, asked)).toThrow(
      expect.objectContaining({ code: 'EPERM', applied: ['interval'] }),
    );
  },
);

test.runIf(givesDescriptors)(
  'a user timeout that a connection lacks is named beside the options that the system lacks',
  async () => {
    const client = await connection();
    const { failures } = recordedLibc();
    const { interval: _, ...table } = linux;
    vi.doMock('../../native-bindings/platforms/index.ts', () => ({ platformTable: () => table }));
    onTestFinished(() => vi.doUnmock('../../native-bindings/platforms/index.ts'));
    const { setKeepAlive } = await packageOn('linux');
    failures.set(numberOf('userTimeout'), constants.errno.ENOPROTOOPT);

    expect(setKeepAlive(client, asked).skipped).toEqual(['interval', 'userTimeout']);
  },
);

/** Node keeps it there; reading it does not give the warning that `_handle` would. */
function descriptorOf(udp: UdpSocket): number {
  const state = Object.getOwnPropertySymbols(udp).find(({ description }) => description === 'state symbol');
  return (udp as unknown as Record<symbol, { handle: { fd: number } }>)[state as symbol]?.handle.fd as number;
}

import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import net from 'node:net';
import { constants } from 'node:os';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { loadLibc } from '../../native-bindings/libc.ts';
import { linux } from '../../native-bindings/platforms/linux.ts';
import type { OptionEntry } from '../../native-bindings/platforms/table.ts';
import { setOption } from '../../native-bindings/sockopt.ts';
import { correctSettings, mayBeChanged, readSettings, writeSettings } from '../../src/kernel/settings.ts';
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
import { missingKoffi } from '../helpers/missing-koffi.ts';
import { packageOn } from '../helpers/package-on.ts';
import { fdOf, kernelValues, writeRaw } from '../helpers/raw-options.ts';
import { recordedLibc } from '../helpers/recorded-libc.ts';
import { asRead, hasRetransmitInterval } from '../helpers/retransmit-interval.ts';

// The five options that every connection of Linux has. What is special about the sixth has its own tests below.
const { maxRetransmitInterval: _auto, ...five } = presets.database;
const database = parseKeepAliveOptions(five);

/** Its number is the same on every system. */
const TCP_NODELAY = 1;

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
    expect(writeSettings(fd, database, false)).toEqual(database);
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
    { options: { maxRetransmitInterval: 5_000 }, strict: false },
    { options: { maxRetransmitInterval: 5_000 }, strict: true },
    { options: { enable: true }, strict: false },
    { options: { failOnUnreachable: true }, strict: false },
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
    expect(writeSettings(fdOf(client), database, false)).toEqual(database);
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
    expect(readSettings(fdOf(client))).toEqual(asRead(settings));
  });

  test('says whether anything differed, and what the connection lacks', async () => {
    const client = await connection();
    writeSettings(fdOf(client), database, false);
    expect(correctSettings(fdOf(client), database)).toEqual({ isChanged: false, lacking: [] });
    const { userTimeout: _lacking, ...current } = database;
    expect(correctSettings(fdOf(client), database, { ...current, count: 7 })).toEqual({
      isChanged: true,
      lacking: ['userTimeout'],
    });
    expect(correctSettings(fdOf(client), { count: 3 }, current)).toEqual({ isChanged: false, lacking: [] });
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
  test('gives all in milliseconds, frozen', async () => {
    const client = await untouchedConnection();
    expect(kernelValues(client)).toBe(untouched);
    const settings = readSettings(fdOf(client));
    const untouchedSettings = {
      enable: false,
      initialDelay: 7_200_000,
      interval: 75_000,
      count: 9,
      userTimeout: 0,
    };
    expect(settings).toEqual(asRead(untouchedSettings));
    expect(Object.isFrozen(settings)).toBe(true);
  });

  test('is one system call for each option', async () => {
    const fd = fdOf(await untouchedConnection());
    const get = vi.spyOn(loadLibc(), 'getsockopt');
    onTestFinished(() => get.mockRestore());
    readSettings(fd);
    expect(get).toHaveBeenCalledTimes(hasRetransmitInterval ? 7 : 6);
  });

  test('refuses what is not TCP', async () => {
    const fd = fdOf(await unixConnection());
    expect(() => readSettings(fd)).toThrow(expect.objectContaining({ code: 'ERR_KEEPALIVE_NOT_TCP' }));
  });
});

describe.runIf(process.platform === 'linux')('a Multipath TCP socket, which lacks a user timeout', () => {
  const missing = missingMultipath();
  const { userTimeout: _, ...rest } = database;

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
          'Cannot set `userTimeout` (TCP_USER_TIMEOUT) on linux for this connection, and strict asks for every option; leave strict out to set the rest',
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

describe.runIf(hasRetransmitInterval)('the longest retransmission interval', () => {
  test.each([1_000, 1_001, 1_002, 1_003, 1_009, 3_062, 119_999, 120_000])(
    '%i is read back, at most a tick longer, and not written again',
    async (maxRetransmitInterval) => {
      const fd = fdOf(await untouchedConnection());
      expect(writeSettings(fd, { maxRetransmitInterval }, true)).toEqual({ maxRetransmitInterval });
      expect(readSettings(fd)).toMatchObject(asRead({ maxRetransmitInterval }));
      expect(optionsSetBy(() => correctSettings(fd, { maxRetransmitInterval }))).toEqual([]);
      const other = maxRetransmitInterval === 5_000 ? 6_000 : 5_000;
      const written = optionsSetBy(() => correctSettings(fd, { maxRetransmitInterval: other }));
      expect(written).toEqual(['TCP_RTO_MAX_MS']);
    },
  );

  test('is one system call more, after the user timeout', async () => {
    const fd = fdOf(await untouchedConnection());
    const settings = { ...database, maxRetransmitInterval: 3_000 };
    expect(optionsSetBy(() => writeSettings(fd, settings, false))).toEqual([
      'TCP_USER_TIMEOUT',
      'TCP_RTO_MAX_MS',
      'TCP_KEEPINTVL',
      'TCP_KEEPCNT',
      'TCP_KEEPIDLE',
      'SO_KEEPALIVE',
    ]);
  });

  test('is not read for a hold that does not have it', async () => {
    const fd = fdOf(await untouchedConnection());
    const get = vi.spyOn(loadLibc(), 'getsockopt');
    onTestFinished(() => get.mockRestore());
    correctSettings(fd, database);
    expect(get).toHaveBeenCalledTimes(5);
  });

  test('is skipped on Multipath TCP, and still written to TCP afterwards', async ({ skip }) => {
    const missing = missingMultipath();
    skip(missing !== undefined, missing);
    const fd = fdOf(await adopted('MPTCP'));
    const { userTimeout: _, ...rest } = database;
    expect(writeSettings(fd, parseKeepAliveOptions('database'), false)).toEqual({
      ...rest,
      skipped: ['userTimeout', 'maxRetransmitInterval'],
    });
    expect(readSettings(fd)).toEqual(rest);
    const tuning = { maxRetransmitInterval: 5_000 };
    expect(writeSettings(fd, tuning, true)).toEqual({ skipped: ['maxRetransmitInterval'] });
    expect(writeSettings(fdOf(await connection()), tuning, false)).toEqual(tuning);
  });

  test('of a closed descriptor is an error, as of any other option', () => {
    expect(() => writeSettings(2 ** 30, { maxRetransmitInterval: 5_000 }, false)).toThrow(
      expect.objectContaining({ code: 'EBADF', option: 'TCP_RTO_MAX_MS', applied: [] }),
    );
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

describe.runIf(givesDescriptors)('Linux before 6.15, which lacks TCP_RTO_MAX_MS', () => {
  const TCP_RTO_MAX_MS = 44;
  const options = { ...presets.database, count: 5 };
  const written = { ...five, count: 5, skipped: ['maxRetransmitInterval'] };

  /** The package on such a kernel, and how many of its calls are for that option. */
  async function olderLinux(errno: number = constants.errno.ENOPROTOOPT) {
    const client = await connection();
    const { failures } = recordedLibc();
    failures.set(TCP_RTO_MAX_MS, errno);
    const library = await packageOn('linux');
    const libc = (await import('../../native-bindings/libc.ts')).loadLibc();
    const set = vi.spyOn(libc, 'setsockopt');
    const get = vi.spyOn(libc, 'getsockopt');
    const calls = () =>
      [...set.mock.calls, ...get.mock.calls].filter(([, , name]) => name === TCP_RTO_MAX_MS).length;
    return { client, calls, ...library };
  }

  test.each([{ strict: false }, { strict: true }])(
    'names it in skipped, with $strict too, and is asked once',
    async (behaviour) => {
      const { client, calls, setKeepAlive, getKeepAlive, capabilities } = await olderLinux();
      expect(setKeepAlive(client, options, behaviour)).toEqual(written);
      expect(setKeepAlive(client, options, behaviour)).toEqual(written);
      expect(getKeepAlive(client)).not.toHaveProperty('maxRetransmitInterval');
      expect(calls()).toBe(1);
      expect(capabilities().options.maxRetransmitInterval).toEqual({
        set: false,
        read: false,
        reason: 'this kernel has no TCP_RTO_MAX_MS',
      });
    },
  );

  test('is asked once if it is first read', async () => {
    const { client, calls, setKeepAlive, getKeepAlive } = await olderLinux();
    expect(getKeepAlive(client)).not.toHaveProperty('maxRetransmitInterval');
    expect(setKeepAlive(client, options)).toEqual(written);
    expect(calls()).toBe(1);
  });

  test('holds, serves and follows rules without it, and nobody is told', async () => {
    const { client, keepAlive, keepAliveServer, installKeepAlive } = await olderLinux();
    const warnings = vi.spyOn(process, 'emitWarning');
    onTestFinished(() => warnings.mockRestore());
    const onError = vi.fn();
    keepAlive(client, 'database', { onError });
    keepAlive(client, { ...presets.database, count: 5 }, { onError });
    keepAliveServer(net.createServer(), 'database', { onError });
    installKeepAlive([{ use: 'database' }], { strict: true })();
    expect(onError).not.toHaveBeenCalled();
    expect(warnings).not.toHaveBeenCalled();
  });

  test('may be a sandbox that refuses the call in another way', async () => {
    const { client, setKeepAlive } = await olderLinux(constants.errno.EPERM);
    expect(setKeepAlive(client, options, { strict: true })).toEqual(written);
  });

  test('may be a sandbox that refuses the first call, which reads', async () => {
    const { client, getKeepAlive } = await olderLinux(constants.errno.EPERM);
    expect(getKeepAlive(client)).not.toHaveProperty('maxRetransmitInterval');
  });

  test('is not known if no call can be made at all', async () => {
    const client = await connection();
    missingKoffi(new Error('not installed'));
    const { setKeepAlive, getKeepAlive } = await packageOn('linux');
    const { reasonOfLack } = await import('../../src/kernel/calls.ts');
    const failure = expect.objectContaining({ code: 'ERR_KEEPALIVE_UNSUPPORTED', message: 'not installed' });
    expect(() => setKeepAlive(client, { maxRetransmitInterval: 5_000 })).toThrow(failure);
    expect(() => getKeepAlive(client)).toThrow(failure);
    expect(reasonOfLack('maxRetransmitInterval')).toBeUndefined();
  });
});

/** Node keeps it there; reading it does not give the warning that `_handle` would. */
function descriptorOf(udp: UdpSocket): number {
  const state = Object.getOwnPropertySymbols(udp).find(({ description }) => description === 'state symbol');
  return (udp as unknown as Record<symbol, { handle: { fd: number } }>)[state as symbol]?.handle.fd as number;
}

describe.runIf(process.platform === 'linux')('settings that were written', () => {
  test.each<[string, KeepAliveSettings, (socket: net.Socket) => void, boolean]>([
    ['nobody has changed', database, () => {}, false],
    ["Node's own call has changed", database, (socket) => socket.setKeepAlive(true, 33_000), true],
    ["Node's own call has turned off", database, (socket) => socket.setKeepAlive(false), true],
    ['have the interval of that call', { ...database, interval: 1_000 }, () => {}, true],
    ['have no interval', { enable: true, initialDelay: 10_000 }, () => {}, true],
    ['have no enable', { interval: 5_000 }, () => {}, true],
  ])('may be changed, or not: those that %s', async (_, settings, change, expected) => {
    const client = await connection();
    // Node skips a call equal to its last.
    client.setKeepAlive(true, 40_000);
    writeSettings(fdOf(client), settings, false);
    change(client);
    expect(mayBeChanged(fdOf(client), settings)).toBe(expected);
  });

  test('are not looked at on a descriptor that is closed', () => {
    expect(() => mayBeChanged(-1, database)).toThrow(expect.objectContaining({ code: 'EBADF' }));
  });
});

describe.runIf(process.platform === 'linux')('failOnUnreachable', () => {
  const [ipv6] = linux.failOnUnreachable?.also ?? [];
  const asked = parseKeepAliveOptions({ failOnUnreachable: true });

  test('is for the packets of both families on a socket of IPv6, and set only if it is for both', async () => {
    const client = await connection('::1');
    const fd = fdOf(client);
    expect(readSettings(fd).failOnUnreachable).toBe(false);
    writeSettings(fd, asked, false);
    expect(readSettings(fd).failOnUnreachable).toBe(true);
    setOption(fd, ipv6 as OptionEntry, 0);
    expect(readSettings(fd).failOnUnreachable).toBe(false);
  });

  test('is for those of IPv4 alone on any other', async () => {
    const fd = fdOf(await connection());
    writeSettings(fd, asked, false);
    expect(readSettings(fd).failOnUnreachable).toBe(true);
  });
});

describe('an option that a system may lack, here with a fake of its kernel', () => {
  const { ENOPROTOOPT } = constants.errno;

  test('is lacked by every connection of FreeBSD before 14, once one has refused it', async () => {
    const { failures, answers } = recordedLibc();
    await packageOn('freebsd');
    const { isForgotten } = await import('../../src/kernel/calls.ts');
    const settings = await import('../../src/kernel/settings.ts');
    failures.set(68, ENOPROTOOPT);
    answers.set(512, 5);
    expect(settings.readSettings(3)).not.toHaveProperty('userTimeout');
    expect(isForgotten('userTimeout')).toBe(true);
  });

  test('is lacked by one connection alone of Multipath TCP, on Android too', async () => {
    const { failures } = recordedLibc();
    await packageOn('android');
    const { isForgotten } = await import('../../src/kernel/calls.ts');
    const settings = await import('../../src/kernel/settings.ts');
    failures.set(18, ENOPROTOOPT);
    expect(settings.readSettings(3)).not.toHaveProperty('userTimeout');
    expect(isForgotten('userTimeout')).toBe(false);
  });

  test('is not lacked because a descriptor is not TCP', async () => {
    const { failures } = recordedLibc();
    await packageOn('win32');
    const { isForgotten } = await import('../../src/kernel/calls.ts');
    const settings = await import('../../src/kernel/settings.ts');
    for (const name of [3, TCP_NODELAY]) failures.set(name, ENOPROTOOPT);
    expect(() => settings.readSettings(3)).toThrow(
      expect.objectContaining({ code: 'ERR_KEEPALIVE_NOT_TCP' }),
    );
    expect(isForgotten('initialDelay')).toBe(false);
  });
});

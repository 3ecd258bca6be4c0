import { spawnSync } from 'node:child_process';
import { constants } from 'node:os';
import { describe, expect, onTestFinished, test } from 'vitest';
import { platforms, platformTable } from '../../native-bindings/platforms/index.ts';
import { linuxMips } from '../../native-bindings/platforms/linux.ts';
import type { OptionTable } from '../../native-bindings/platforms/table.ts';
import { tcpInfoLayout, tcpStates } from '../../native-bindings/tcp-info.ts';
import { optionNames } from '../../src/options/options.ts';
import { connectedPair } from '../helpers/connected-pair.ts';
import { packageOn } from '../helpers/package-on.ts';
import { recordedLibc } from '../helpers/recorded-libc.ts';

const IPPROTO_TCP = 6;

/** Node gives no descriptor on Windows, so that no call gets as far as the kernel of any system. */
const givesDescriptors = process.platform !== 'win32';

const tables = Object.entries({ ...platforms, 'linux on mips': linuxMips }).map(([platform, table]) => ({
  platform,
  table,
}));

test('there is a table for each system that the design names', () => {
  expect(Object.keys(platforms).sort()).toEqual([
    'android',
    'darwin',
    'freebsd',
    'linux',
    'netbsd',
    'openbsd',
    'sunos',
    'win32',
  ]);
});

describe.each(tables)('the table of $platform', ({ table }) => {
  test('names only options of this library, and can always turn probes on', () => {
    expect(optionNames).toEqual(expect.arrayContaining(Object.keys(table)));
    expect(table).toHaveProperty('enable');
  });

  test.each(Object.entries(table))('%s says where the kernel keeps it', (option, entry) => {
    expect(entry).toEqual({
      level: expect.any(Number),
      name: expect.any(Number),
      unit: expect.any(String),
      constant: expect.stringMatching(/^(SO|TCP)_[A-Z]+(_[A-Z]+)*$/),
    });
    expect(entry.level).toBe(option === 'enable' ? expectedSocketLevel(table) : IPPROTO_TCP);
    expect(entry.name).toSatisfy((name: number) => Number.isInteger(name) && name > 0);
    expect(unitsOf(option)).toContain(entry.unit);
  });

  test('has no two options at one number', () => {
    const places = Object.values(table).map(({ level, name }) => `${level}/${name}`);
    expect(new Set(places).size).toBe(places.length);
  });
});

test.each(Object.keys(platforms) as NodeJS.Platform[])('nobody can change the table that %s uses', (name) => {
  const table = platformTable(name) ?? {};
  for (const each of [table, ...Object.values(table), tcpInfoLayout, tcpStates]) {
    expect(each).toSatisfy(Object.isFrozen);
  }
});

function unitsOf(option: string): readonly string[] {
  if (option === 'enable' || option === 'count') return ['none'];
  return option === 'userTimeout' ? ['second', 'millisecond'] : ['second'];
}

/** SOL_SOCKET is 1 on Linux, where SO_KEEPALIVE is 9, and Berkeley's everywhere else. */
function expectedSocketLevel({ enable }: OptionTable): number {
  return enable?.name === 9 ? 1 : 0xffff;
}

describe('which table a system gets', () => {
  test.each(['aix', 'cygwin', 'haiku'] as const)('%s, which nobody has written, gets none', (platform) => {
    expect(platformTable(platform)).toBeUndefined();
  });

  test.each(['mips', 'mipsel', 'sparc'])('Linux on %s gets the numbers of its Unix', (arch) => {
    expect(platformTable('linux', arch)).toBe(linuxMips);
    expect(linuxMips.enable).toMatchObject({ level: 0xffff, name: 8 });
    expect(linuxMips.initialDelay).toEqual(platforms.linux?.initialDelay);
  });

  test.each(['x64', 'arm64', 'riscv64'])('Linux on %s gets the usual ones', (arch) => {
    expect(platformTable('linux', arch)).toBe(platforms.linux);
  });

  test('without arguments it is this system', () => {
    expect(platformTable()).toBe(platformTable(process.platform, process.arch));
  });
});

// What each kernel is told for one and the same call, as its own headers have the numbers.
const asked = { initialDelay: 20_000, interval: 11_000, count: 3, userTimeout: 24_500 };
const systems = [
  { platform: 'linux', told: '6/18=24500 6/5=11 6/6=3 6/4=20 1/9=1', skipped: undefined },
  { platform: 'android', told: '6/18=24500 6/5=11 6/6=3 6/4=20 1/9=1', skipped: undefined },
  { platform: 'darwin', told: '6/128=25 6/257=11 6/258=3 6/16=20 65535/8=1', skipped: undefined },
  { platform: 'freebsd', told: '6/68=25 6/512=11 6/1024=3 6/256=20 65535/8=1', skipped: undefined },
  { platform: 'netbsd', told: '6/5=11 6/6=3 6/3=20 65535/8=1', skipped: ['userTimeout'] },
  { platform: 'sunos', told: '6/36=11 6/35=3 6/34=20 65535/8=1', skipped: ['userTimeout'] },
  {
    platform: 'openbsd',
    told: '65535/8=1',
    skipped: ['initialDelay', 'interval', 'count', 'userTimeout'],
  },
];

describe.runIf(givesDescriptors).each(systems)('setKeepAlive on $platform', ({ platform, told, skipped }) => {
  test(`tells the kernel ${told}`, async ({ onTestFinished }) => {
    const { client, close } = await connectedPair();
    onTestFinished(close);
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

  test('strict throws for what it lacks, and tells the kernel nothing', async ({ onTestFinished }) => {
    const { client, close } = await connectedPair();
    onTestFinished(close);
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

test.runIf(givesDescriptors)(
  'a kernel that counts the user timeout in seconds rounds it up, and the result says so',
  async ({ onTestFinished }) => {
    const { client, close } = await connectedPair();
    onTestFinished(close);
    recordedLibc();
    const { setKeepAlive } = await packageOn('darwin');
    expect(setKeepAlive(client, { userTimeout: 24_001 })).toEqual({ userTimeout: 25_000 });
  },
);

test.runIf(givesDescriptors)('Berkeley answers with the flag, not with 1', async ({ onTestFinished }) => {
  const { client, close } = await connectedPair();
  onTestFinished(close);
  const { answers } = recordedLibc();
  const { getKeepAlive } = await packageOn('freebsd');
  answers.set(8, 8).set(256, 20).set(512, 11).set(1024, 3).set(68, 25);
  expect(getKeepAlive(client)).toEqual({ enable: true, ...asked, userTimeout: 25_000 });
  answers.set(8, 0);
  expect(getKeepAlive(client)).toMatchObject({ enable: false });
});

test.runIf(givesDescriptors)(
  'FreeBSD before 14 has no user timeout: it is skipped and not read',
  async ({ onTestFinished }) => {
    const { client, close } = await connectedPair();
    onTestFinished(close);
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

test.runIf(givesDescriptors).each([
  { what: 'Multipath TCP on Linux', platform: 'linux', userTimeout: 18, count: 6 },
  { what: 'FreeBSD before 14', platform: 'freebsd', userTimeout: 68, count: 1_024 },
])(
  'a faked call that fails later does not name the user timeout that $what skipped as applied',
  async ({ platform, userTimeout, count }) => {
    const { client, close } = await connectedPair();
    onTestFinished(close);
    const { failures } = recordedLibc();
    const { setKeepAlive } = await packageOn(platform);
    failures.set(userTimeout, constants.errno.ENOPROTOOPT).set(count, constants.errno.EPERM);

    expect(() => setKeepAlive(client, asked)).toThrow(
      expect.objectContaining({ code: 'EPERM', applied: ['interval'] }),
    );
  },
);

test("this system's table is what its headers say", ({ skip }) => {
  const table = platformTable();
  if (table === undefined) return skip(`no table for ${process.platform}`);
  const { numbers, problem } = readHeaders(Object.values(table).map(({ constant }) => constant));
  if (problem !== undefined) {
    console.warn(`Skipped: the table against the headers: ${problem}`);
    return skip(problem);
  }
  for (const [option, { level, name, constant }] of Object.entries(table)) {
    expect({ option, name }).toEqual({ option, name: numbers.get(constant) });
    expect({ option, level }).toEqual({
      option,
      level: numbers.get(option === 'enable' ? 'SOL_SOCKET' : 'IPPROTO_TCP'),
    });
  }
});

/** What the C preprocessor makes of constants, or why it could not be asked. */
function readHeaders(constantNames: readonly string[]): { numbers: Map<string, number>; problem?: string } {
  const names = ['SOL_SOCKET', 'IPPROTO_TCP', ...constantNames];
  const source = [
    '#include <sys/types.h>',
    '#include <sys/socket.h>',
    '#include <netinet/in.h>',
    '#include <netinet/tcp.h>',
    ...names.map((name) => `value_of_${name}: ${name}`),
  ].join('\n');
  const { error, status, stdout, stderr } = spawnSync('cc', ['-E', '-P', '-x', 'c', '-'], {
    input: `${source}\n`,
    encoding: 'utf8',
    timeout: 20_000,
  });
  const numbers = new Map<string, number>();
  if (error !== undefined || status !== 0) {
    return { numbers, problem: `cc -E does not work here: ${error?.message ?? stderr.split('\n', 1)[0]}` };
  }
  for (const name of names) {
    const text = new RegExp(`value_of_${name}: *(\\w+)`).exec(stdout)?.[1] ?? '';
    // glibc has IPPROTO_TCP in an enum, which the preprocessor leaves alone.
    const inEnum = new RegExp(`\\b${name} = (\\w+)`).exec(stdout)?.[1];
    numbers.set(name, Number(inEnum ?? text));
  }
  return { numbers };
}

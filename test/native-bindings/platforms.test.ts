import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { connectionInfoLayout, connectionStates } from '../../native-bindings/connection-info.ts';
import { platforms, platformTable } from '../../native-bindings/platforms/index.ts';
import { errorEntry, linux, linuxMips } from '../../native-bindings/platforms/linux.ts';
import { illumos, solaris } from '../../native-bindings/platforms/sunos.ts';
import type { OptionEntry, OptionTable } from '../../native-bindings/platforms/table.ts';
import { tcpInfoLayout, tcpStates } from '../../native-bindings/tcp-info.ts';
import { optionNames } from '../../src/options/options.ts';
import { PATIENCE } from '../helpers/patience.ts';

const IPPROTO_IP = 0;
const IPPROTO_TCP = 6;
const IPPROTO_IPV6 = 41;

const tables = Object.entries({ ...platforms, 'linux on mips': linuxMips, 'Oracle Solaris': solaris }).map(
  ([platform, table]) => ({
    platform,
    table,
  }),
);

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

  test.each(rowsOf(table))('%s says where the kernel keeps it', (option, entry) => {
    expect(entry).toEqual({
      level: expect.any(Number),
      name: expect.any(Number),
      unit: expect.any(String),
      constant: expect.stringMatching(/^(SO|TCP|PERSIST|IP|IPV6)_[A-Z]+(_[A-Z]+)*$/),
    });
    expect(levelsOf(option, table)).toContain(entry.level);
    expect(entry.name).toSatisfy((name: number) => Number.isInteger(name) && name > 0);
    expect(unitsOf(option)).toContain(entry.unit);
  });

  test('has no two options at one number', () => {
    const places = rowsOf(table)
      .map(([, row]) => row)
      .map(({ level, name }) => `${level}/${name}`);
    expect(new Set(places).size).toBe(places.length);
  });
});

test.each(Object.keys(platforms) as NodeJS.Platform[])('nobody can change the table that %s uses', (name) => {
  const table = platformTable(name, 'x64', 'illumos') ?? {};
  const further = Object.values(table).flatMap(({ older, also }) => [older, also, ...(also ?? [])]);
  const parts = further.filter((part) => part !== undefined);
  for (const each of [table, ...Object.values(table), ...parts, ...structures]) {
    expect(each).toSatisfy(Object.isFrozen);
  }
});

const structures = [tcpInfoLayout, tcpStates, connectionInfoLayout, connectionStates];

/** Each option with its rows: its own, the older one, and those that get the same value. */
function rowsOf(table: OptionTable): [string, Omit<OptionEntry, 'older' | 'also'>][] {
  return Object.entries(table).flatMap(([option, { older, also = [], ...entry }]) =>
    [entry, ...(older === undefined ? [] : [older]), ...also].map((row): [string, typeof row] => [
      option,
      row,
    ]),
  );
}

function unitsOf(option: string): readonly string[] {
  if (option === 'enable' || option === 'count' || option === 'failOnUnreachable') return ['none'];
  if (option === 'maxRetransmitInterval') return ['millisecond'];
  return option === 'userTimeout' ? ['second', 'millisecond'] : ['second'];
}

/** SOL_SOCKET is 1 on Linux, where SO_KEEPALIVE is 9, and Berkeley's everywhere else. */
function levelsOf(option: string, { enable }: OptionTable): readonly number[] {
  if (option === 'enable') return [enable?.name === 9 ? 1 : 0xffff];
  return option === 'failOnUnreachable' ? [IPPROTO_IP, IPPROTO_IPV6] : [IPPROTO_TCP];
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

  test.each([
    { version: '11.4.42.111.0', table: solaris },
    { version: 'omnios-r151050-2d8f2e0e3f', table: illumos },
    { version: 'illumos-4bd3a4b3a1', table: illumos },
    { version: 'joyent_20240111T003205Z', table: illumos },
    { version: 'Generic_150400-65', table: undefined },
    { version: '', table: undefined },
  ])('sunos of version "$version" gets its own, or none', ({ version, table }) => {
    expect(platformTable('sunos', 'x64', version)).toBe(table);
  });

  test('without arguments it is this system', () => {
    expect(platformTable()).toBe(platformTable(process.platform, process.arch));
  });
});

test("this system's table is what its headers say", ({ skip }) => {
  const table = platformTable();
  if (table === undefined) return skip(`no table for ${process.platform}`);
  const { numbers, problem } = readHeaders(rowsOf(table).map(([, { constant }]) => constant));
  if (problem !== undefined) {
    console.warn(`Skipped: the table against the headers: ${problem}`);
    return skip(problem);
  }
  for (const [option, { level, name, constant }] of rowsOf(table)) {
    // It is younger than many headers.
    if (constant === 'TCP_RTO_MAX_MS' && Number.isNaN(numbers.get(constant))) continue;
    expect({ option, name }).toEqual({ option, name: numbers.get(constant) });
    expect({ constant, level }).toEqual({
      constant,
      level: numbers.get(levelNames[prefixOf(constant)] ?? ''),
    });
  }
});

const levelNames: Readonly<Record<string, string>> = {
  SO: 'SOL_SOCKET',
  IP: 'IPPROTO_IP',
  IPV6: 'IPPROTO_IPV6',
  TCP: 'IPPROTO_TCP',
  PERSIST: 'IPPROTO_TCP',
};

function prefixOf(constant: string): string {
  return constant.slice(0, constant.indexOf('_'));
}

/** What the C preprocessor makes of constants, or why it could not be asked. */
function readHeaders(constantNames: readonly string[]): { numbers: Map<string, number>; problem?: string } {
  const names = [...Object.values(levelNames), ...constantNames];
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
    timeout: PATIENCE,
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

test('the error of a socket is at the number that its machine has for it', () => {
  const error = { unit: 'none', constant: 'SO_ERROR' };
  expect(errorEntry(linux)).toEqual({ ...error, level: 1, name: 4 });
  expect(errorEntry(linuxMips)).toEqual({ ...error, level: 0xffff, name: 0x1007 });
});

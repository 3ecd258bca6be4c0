import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { darwin } from '../../native-bindings/platforms/darwin.ts';
import { freebsd } from '../../native-bindings/platforms/freebsd.ts';
import { platforms } from '../../native-bindings/platforms/index.ts';
import { linux } from '../../native-bindings/platforms/linux.ts';
import { netbsd } from '../../native-bindings/platforms/netbsd.ts';
import { openbsd } from '../../native-bindings/platforms/openbsd.ts';
import { illumos, solaris } from '../../native-bindings/platforms/sunos.ts';
import type { OptionName, OptionTable } from '../../native-bindings/platforms/table.ts';
import { win32 } from '../../native-bindings/platforms/win32.ts';
import { optionNames } from '../../src/options/options.ts';
import { packageOn } from '../helpers/package-on.ts';
import { rows, wholeSuite } from './rows.ts';
import { COMMON_NAME, documentedLines, type RuntimeLine } from './runtimes.ts';

/** A row of a table in Markdown: its first cell, and the others by the heads of their columns. */
interface DocumentedRow {
  readonly name: string;
  readonly cells: Readonly<Record<string, string>>;
}

/** The tables whose columns these words are in. They may be in any page. */
function tablesWith(...words: string[]): { heads: string[]; rows: DocumentedRow[] }[] {
  const documents = readdirSync('docs', { recursive: true, encoding: 'utf8' });
  const pages = ['README.md', ...documents.map((page) => `docs/${page}`)];
  return pages
    .filter((page) => page.endsWith('.md'))
    .flatMap((page) => readFileSync(page, 'utf8').split('\n\n'))
    .filter(
      (block) => block.startsWith('|') && words.every((word) => block.split('\n', 1)[0]?.includes(word)),
    )
    .map((block) => {
      const [heads = [], , ...lines] = block.trim().split('\n').map(cellsOf);
      return {
        heads: heads.slice(1),
        rows: lines.map(([name = '', ...cells]) => ({
          name,
          cells: Object.fromEntries(heads.slice(1).map((head, i) => [head, cells[i] ?? ''])),
        })),
      };
    });
}

function cellsOf(line: string): string[] {
  return line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim());
}

const platformTables = tablesWith('userTimeout', 'tested');
const [matrix, ...furtherMatrices] = tablesWith('Node 20', 'Bun');

/** The tables of the systems that a row names. */
const systems: readonly (readonly [RegExp, OptionTable, NodeJS.Platform])[] = [
  [/Linux/, linux, 'linux'],
  [/macOS/, darwin, 'darwin'],
  [/FreeBSD/, freebsd, 'freebsd'],
  [/OpenBSD/, openbsd, 'openbsd'],
  [/NetBSD/, netbsd, 'netbsd'],
  [/Solaris/, solaris, 'sunos'],
  [/illumos/, illumos, 'sunos'],
  [/Windows/, win32, 'win32'],
];
const systemsOf = ({ name }: DocumentedRow) => systems.filter(([words]) => words.test(name));

/** The options that the column "probes" is about. */
const PROBES = ['enable', 'initialDelay', 'interval', 'count'] as const;

test('the tables are documented: that of the platforms in short and in full, and one matrix', () => {
  expect(platformTables).toHaveLength(2);
  expect(matrix).toBeDefined();
  expect(furtherMatrices).toEqual([]);
});

describe.each(platformTables)('a table of the platforms', ({ heads, rows: documented }) => {
  test('has each of them', () => {
    const tables = documented.flatMap(systemsOf).map(([, table]) => table);
    expect(new Set(tables)).toEqual(new Set([...Object.values(platforms), solaris]));
  });

  test('has each option that not only Linux has', () => {
    const shared = optionNames.filter((name) =>
      systems.some(([, table]) => table !== linux && name in table),
    );
    const told = heads.flatMap((head) => (head === 'probes' ? PROBES : [head.replaceAll('`', '')]));
    expect(told).toEqual(expect.arrayContaining(shared));
  });

  describe.each(documented)('$name', (row) => {
    const tables = systemsOf(row).map(([, table]) => table);
    const { probes = '', '`userTimeout`': userTimeout = '', '`getTcpInfo`': tcpInfo = '' } = row.cells;

    test('says which options there are', () => {
      expect(toldBy(probes)).toBe(howMany(tables, PROBES));
      expect(toldBy(userTimeout)).toBe(howMany(tables, ['userTimeout']));
    });

    test('names the user timeout of a system in full, or not at all, and its unit', () => {
      const entries = tables.flatMap(({ userTimeout: entry }) =>
        entry ? [entry, entry.older ?? entry] : [],
      );
      const constants = new Set(entries.map(({ constant }) => constant));
      if (userTimeout.includes('TCP_')) {
        for (const constant of constants) expect(userTimeout).toContain(`\`${constant}\``);
      }
      if (tables.length > 1 || userTimeout === 'yes') return;
      expect(userTimeout.includes('in seconds')).toBe(entries.some(({ unit }) => unit === 'second'));
    });

    test('says whether there is a getTcpInfo', async () => {
      for (const [, , platform] of systemsOf(row)) {
        await packageOn(platform);
        const { readTcpInfoHere } = await import('../../src/kernel/connection-info.ts');
        expect(tcpInfo !== 'no').toBe(readTcpInfoHere !== undefined);
      }
    });

    test('calls tested what the matrix has', () => {
      const isTried = documentedLines.some((line) => isOn(row.name, line));
      // Windows has a command of its own.
      const expected = /Windows/.test(row.name) ? /under Wine/ : isTried ? /^on every change/ : /^no\b/;
      expect(row.cells.tested).toMatch(expected);
    });
  });
});

/** How many of some options systems have, and what a cell says of that. */
type Share = 'all' | 'some' | 'none';

function howMany(tables: readonly OptionTable[], options: readonly OptionName[]): Share {
  const had = tables.flatMap((table) => options.map((option) => option in table));
  if (had.every(Boolean)) return 'all';
  return had.some(Boolean) ? 'some' : 'none';
}

function toldBy(cell: string): Share {
  if (cell === 'no') return 'none';
  return /partly|only/.test(cell) ? 'some' : 'all';
}

function isOn(name: string, { kind, system }: RuntimeLine): boolean {
  if (/Deno/.test(name)) return kind === 'deno';
  if (!/Linux/.test(name)) return false;
  return /musl|arm64/.test(name) ? system !== undefined : system === undefined;
}

describe('the matrix of the runtimes', () => {
  const tried = [wholeSuite(), ...rows];

  /** The column of a runtime. */
  const headOf = ({ kind, major, system }: RuntimeLine) =>
    matrix?.heads.find(
      (head) =>
        new RegExp(`^${COMMON_NAME[kind]} ${major}\\b`).test(head) &&
        (system === undefined ? !head.includes(',') : head.endsWith(`, ${system}`)),
    );

  test('has a column for each runtime', () => {
    const documented = documentedLines.map(headOf);
    expect(documented).not.toContain(undefined);
    expect([...documented].sort()).toEqual(matrix?.heads.toSorted());
  });

  test('has one row for each thing that is tried', () => {
    for (const { documentedAs } of tried) {
      expect(matrix?.rows.filter(({ name }) => name.includes(documentedAs))).toHaveLength(1);
    }
  });

  test.each(matrix?.rows ?? [])('says where this is tried: $name', ({ name, cells }) => {
    const documented = tried.filter(({ documentedAs }) => name.includes(documentedAs));
    expect(documented).not.toEqual([]);
    for (const line of documentedLines) {
      const isTried = documented.some(({ appliesTo }) => appliesTo(line));
      expect({ line, isTried: cells[headOf(line) ?? ''] !== '-' }).toEqual({ line, isTried });
    }
  });
});

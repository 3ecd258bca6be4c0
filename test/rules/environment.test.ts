import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isAsked } from '../../src/rules/asked.ts';
import { rulesOfEnvironment } from '../../src/rules/environment.ts';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'tcp-keepalive-rules-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

function file(text: string): string {
  const name = path.join(directory, 'rules.json');
  writeFileSync(name, text);
  return name;
}

/** What the rules of an environment give, in their order. */
const uses = (...environment: Parameters<typeof rulesOfEnvironment>) =>
  rulesOfEnvironment(...environment).rules.map(({ rule }) => rule.use);

test('rules are those of the variable, then those of the file', () => {
  const config = file('{ "$schema": "./x", "rules": [{ "use": "tunnel" }, { "port": 80, "use": false }] }');
  expect(uses({})).toEqual([]);
  expect(uses({ TCP_KEEPALIVE: '', TCP_KEEPALIVE_CONFIG: '' })).toEqual([]);
  expect(uses({ TCP_KEEPALIVE: '5432=database' })).toEqual(['database']);
  expect(uses({ TCP_KEEPALIVE_CONFIG: config })).toEqual(['tunnel', false]);
  expect(uses({ TCP_KEEPALIVE: '5432=database', TCP_KEEPALIVE_CONFIG: config })).toEqual([
    'database',
    'tunnel',
    false,
  ]);
});

test('a file may begin with a byte order mark', () => {
  expect(uses({ TCP_KEEPALIVE_CONFIG: file('\ufeff{ "rules": [{ "use": "tunnel" }] }') })).toEqual([
    'tunnel',
  ]);
});

describe('a mistake in the file is told in one line', () => {
  test.each([
    ['[]', 'Expected an object { "rules": [...] }, got an array'],
    ['null', 'Expected an object { "rules": [...] }, got null'],
    ['"rules"', 'Expected an object { "rules": [...] }, got `rules` (string)'],
    ['{}', 'Expected an array of rules, got undefined'],
    ['{ "rules": {} }', 'Expected an array of rules, got an object'],
    ['{ "rule": [] }', 'Expected `rules`, `strict`, `reap`, `$schema`, got `rule`; did you mean `rules`?'],
    ['{ "rules": [], "a\\nb": 1 }', 'Expected `rules`, `strict`, `reap`, `$schema`, got `a\\nb`'],
    [
      '{ "rules": [{ "use": false }, { "port": "80", "use": false }] }',
      "Expected a port from 1 to 65535, or a range such as '5000-5999', got `80` (string) (rule 2, `port`)",
    ],
    ['{\n  "rules": x }', 'Cannot parse JSON: '],
  ])('%j', (text, message) => {
    const config = file(text);
    const read = () => rulesOfEnvironment({ TCP_KEEPALIVE_CONFIG: config });
    expect(read).toThrow(expect.objectContaining({ code: 'ERR_KEEPALIVE_INVALID_OPTION' }));
    expect(read).toThrow(message);
    expect(read).toThrow(`(TCP_KEEPALIVE_CONFIG=${config})`);
    expect(read).toThrow(/^[^\n]*$/);
  });

  test('if it is a pipe, which would hold the start for ever, or a directory', () => {
    const pipe = path.join(directory, 'pipe');
    execFileSync('mkfifo', [pipe]);
    for (const config of [pipe, directory]) {
      expect(() => rulesOfEnvironment({ TCP_KEEPALIVE_CONFIG: config })).toThrow(
        `Cannot read the rules: it is a directory, a pipe or a device (TCP_KEEPALIVE_CONFIG=${config})`,
      );
    }
  });

  test('with its line and column, if it is no JSON', () => {
    const config = file('{\n  "rules": [],\n}');
    expect(() => rulesOfEnvironment({ TCP_KEEPALIVE_CONFIG: config })).toThrow(/line 3 column 1/);
  });

  test('also if there is no file, at a path of several lines', () => {
    const read = () => rulesOfEnvironment({ TCP_KEEPALIVE_CONFIG: '/no/such\nfile' });
    expect(read).toThrow(/^Cannot read the rules: ENOENT[^\n]* \(TCP_KEEPALIVE_CONFIG=[^\n]*\)$/);
  });
});

const rules = [{ port: 6379, use: 'tunnel' }];

describe('strict', () => {
  test.each([
    { where: 'in neither', text: '5432=database', config: { rules }, strict: false },
    { where: 'in the variable', text: 'strict; 5432=database', config: { rules }, strict: true },
    { where: 'at the end of the variable', text: '5432=database;strict', config: { rules }, strict: true },
    { where: 'in the file', text: '5432=database', config: { strict: true, rules }, strict: true },
    { where: 'denied by the file', text: '5432=database', config: { strict: false, rules }, strict: false },
  ])('$where: $strict', ({ text, config, strict }) => {
    const read = rulesOfEnvironment({
      TCP_KEEPALIVE: text,
      TCP_KEEPALIVE_CONFIG: file(JSON.stringify(config)),
    });
    expect({ strict: read.strict, count: read.rules.length }).toEqual({ strict, count: 2 });
  });

  test('is a word of its own, and true or false', () => {
    expect(() => rulesOfEnvironment({ TCP_KEEPALIVE: 'strict=true' })).toThrow('got `true`');
    const path = file(JSON.stringify({ strict: 'yes', rules }));
    expect(() => rulesOfEnvironment({ TCP_KEEPALIVE_CONFIG: path })).toThrow(
      'Expected `strict` to be true or false, got `yes` (string)',
    );
  });
});

test.each([
  { where: 'in neither', text: '5432=database', config: { rules }, reap: undefined },
  { where: 'in the variable', text: '5432=database; reap=25s', config: { rules }, reap: 25_000 },
  { where: 'in the file', text: '', config: { rules, reap: { silentAfter: 30_000 } }, reap: 30_000 },
  { where: 'in both', text: 'reap=25s', config: { rules, reap: { silentAfter: 30_000 } }, reap: 25_000 },
])('reap $where: $reap', ({ text, config, reap }) => {
  const read = rulesOfEnvironment({
    TCP_KEEPALIVE: text,
    TCP_KEEPALIVE_CONFIG: file(JSON.stringify(config)),
  });
  expect(read.reap?.silentAfter).toBe(reap);
});

test.each([
  { environment: {}, asked: false },
  { environment: { TCP_KEEPALIVE: '' }, asked: false },
  { environment: { TCP_KEEPALIVE_DEBUG: '0' }, asked: false },
  { environment: { TCP_KEEPALIVE: '*=off' }, asked: true },
  { environment: { TCP_KEEPALIVE_CONFIG: 'rules.json' }, asked: true },
  { environment: { TCP_KEEPALIVE_DEBUG: '1' }, asked: true },
  { environment: { TCP_KEEPALIVE_DEBUG: 'true' }, asked: true },
  { environment: { TCP_KEEPALIVE_DEBUG: 'YES' }, asked: true },
  { environment: { TCP_KEEPALIVE_DEBUG: 'on' }, asked: true },
  { environment: { TCP_KEEPALIVE_DEBUG: 'false' }, asked: false },
])('$environment asks for something: $asked', ({ environment, asked }) => {
  expect(isAsked(environment)).toBe(asked);
});

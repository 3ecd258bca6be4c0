import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

// A driver is more than its file: what else belongs to it, and would be forgotten.

const drivers = readdirSync('src/drivers')
  .filter((file) => file !== 'kit.ts')
  .map((file) => file.replace('.ts', ''));

const { exports: entries } = JSON.parse(readFileSync('package.json', 'utf8'));
/** The cells of every table of docs/drivers.md. */
const rows = [...readFileSync('docs/drivers.md', 'utf8').matchAll(/^\| (.*) ?\|$/gm)].map(([, row = '']) =>
  row.split('|').map((cell) => cell.trim()),
);
const readme = readFileSync('README.md', 'utf8');

test.each(drivers)('tcp-keepalive/%s is an entry of the package, for import and for require', (driver) => {
  expect(entries[`./${driver}`]).toEqual({
    import: { types: `./dist/${driver}.d.ts`, default: `./dist/${driver}.js` },
    require: { types: `./dist/${driver}.d.cts`, default: `./dist/${driver}.cjs` },
  });
});

test.each(drivers)('%s has a test and an example', (driver) => {
  expect(existsSync(`test/drivers/${driver}.test.ts`)).toBe(true);
  expect(existsSync(`examples/${driver}.ts`)).toBe(true);
});

test.each(drivers)('docs/drivers.md says how %s is used, and what it leaves on a socket', (driver) => {
  const [uses, leaves] = [3, 5].map((columns) => rows.filter((cells) => cells.length === columns));
  expect(uses?.map(([, module]) => module)).toContain(`\`tcp-keepalive/${driver}\``);
  expect(leaves?.map(([name = '']) => /^\w+/.exec(name)?.[0])).toContain(driver);
});

test('the README counts the drivers, and names each of them', () => {
  const numbers = [
    'ten',
    'eleven',
    'twelve',
    'thirteen',
    'fourteen',
    'fifteen',
    'sixteen',
    'seventeen',
    'eighteen',
  ];
  const [, count = ''] = /\[(\w+) drivers\]\(docs\/drivers\.md\)/.exec(readme) ?? [];
  expect(numbers.indexOf(count) + 10).toBe(drivers.length);

  const [, list = ''] = /^(pg, [^[]*?)\s+have a\s+\[module each\]/m.exec(readme) ?? [];
  const named = list.split(/, | and |\s+and\s+|,\s+/).map((name) => name.replace('.js', ''));
  expect(named.sort()).toEqual(drivers);
});

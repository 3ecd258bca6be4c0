import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { expectRefused, type } from '../helpers/command-line.ts';

describe('help', () => {
  test('lists the commands', async () => {
    const { code, out } = await type('--help');
    expect(code).toBe(0);
    for (const name of ['explain', 'plan', 'doctor', 'presets', 'run'])
      expect(out).toMatch(new RegExp(`^ {2}${name} `, 'm'));
    expect(await type('')).toEqual({ code: 2, out: '', err: out });
  });

  test.each(['explain', 'plan', 'doctor', 'presets'])('of %s has examples that run', async (name) => {
    const { code, out } = await type(`${name} --help`);
    expect(code).toBe(0);
    for (const line of out.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
    const examples = out.split('Examples:\n')[1]?.match(/^ {2}tcp-keepalive .*$/gm) ?? [];
    expect(examples.length).toBeGreaterThan(0);
    for (const example of examples) {
      const told = await type(example.trim().replace('tcp-keepalive ', ''));
      expect(told.code).toBeLessThan(2);
      expect(told.out).not.toBe('');
    }
  });
});

test.each(['apply', 'drill'])('help of %s fits 80 columns', async (name) => {
  for (const line of (await type(`help ${name}`)).out.split('\n'))
    expect(line.length, line).toBeLessThanOrEqual(80);
});

test('help <command> is the same as <command> --help', async () => {
  expect(await type('help explain')).toEqual(await type('explain --help'));
  await expectRefused('help explian', 'did you mean `explain`?');
});

test.each(['--version', '-v', 'version'])('%s is that of the package', async (flag) => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  expect(await type(flag)).toEqual({ code: 0, out: `${version}\n`, err: '' });
});

describe('what is typed wrong ends with one line and exit code 2', () => {
  test.each([
    ['explian', 'did you mean `explain`?'],
    ['toString', 'Expected a command'],
  ])('%s', expectRefused);
});

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { type } from '../helpers/command-line.ts';

const manual = readFileSync(new URL('../../docs/cli.md', import.meta.url), 'utf8');
const shown = [...manual.matchAll(/^```console\n\$ npx tcp-keepalive (.*)\n([\s\S]*?)^```$/gm)].map(
  ([, line = '', output = '']) => ({ line, output }),
);

describe('the manual shows what is really printed', () => {
  // What these print is another machine's.
  test.each(shown.filter(({ line }) => !/^(doctor|env|sockets|apply|drill)\b/.test(line)))(
    '$line',
    async ({ line, output }) => {
      expect((await type(line)).out).toBe(output);
    },
  );

  test('by every command', () => {
    const commands = new Set(shown.map(({ line }) => line.split(' ')[0]));
    expect([...commands].sort()).toEqual([
      ...['apply', 'check', 'doctor', 'drill', 'env', 'explain', 'plan', 'presets', 'sockets'],
    ]);
  });
});

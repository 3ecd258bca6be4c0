import { expect, test } from 'vitest';
import { presets } from '../../src/options/presets.ts';
import { expectRefused, type } from '../helpers/command-line.ts';

test('are a table', async () => {
  const { code, out } = await type('presets');
  expect(code).toBe(0);
  for (const name of Object.keys(presets)) expect(out).toMatch(new RegExp(`^${name} +\\d`, 'm'));
  expect(out).toMatch(/^database +10s +5s +3 +24\.5s +25s$/m);
});

test('or JSON', async () => {
  expect(JSON.parse((await type('presets --json')).out)).toEqual(presets);
});

test('an argument is refused, and the command that takes it is named', async () => {
  await expectRefused('presets database', 'did you mean explain database?');
});

import { readdirSync, readFileSync } from 'node:fs';
import * as tcpKeepAlive from 'tcp-keepalive';
import { expect, test } from 'vitest';
import * as named from '#core';
import * as source from '../src/core.ts';
import { runFixture } from './helpers/run-fixture.ts';

// package.json sends `#core` to `dist`. Were it not mapped to the source here, the tests of the
// drivers would run whatever was built last.

test('what vitest runs takes `#core` from the source', () => {
  expect(named.keepAlive).toBe(source.keepAlive);
  expect(tcpKeepAlive.keepAlive).toBe(source.keepAlive);
});

test('what tsx runs takes `#core` from the source', async () => {
  expect(await runFixture('core-resolved.ts')).toBe(true);
});

const entries = ['index.ts', ...readdirSync('src/drivers').map((file) => `drivers/${file}`)];

test.each(entries)('%s takes what runs from `#core`, which the build does not repeat', (file) => {
  const text = readFileSync(`src/${file}`, 'utf8');
  const imports = text.matchAll(/^(?:import|export) (?!type )[^;]*? from '(\.[^']*)';$/gm);
  expect([...imports].map(([, from]) => from).filter((from) => from !== './kit.ts')).toEqual([]);
});

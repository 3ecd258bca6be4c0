import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import * as tcpKeepAlive from 'tcp-keepalive';
import { expect, test } from 'vitest';
import * as named from '#core';
import * as source from '../src/core.ts';

// package.json sends `#core` to `dist`. Were it not mapped to the source here, the tests of the
// drivers would run whatever was built last.

test('what vitest runs takes `#core` from the source', () => {
  expect(named.keepAlive).toBe(source.keepAlive);
  expect(tcpKeepAlive.keepAlive).toBe(source.keepAlive);
});

test('what tsx runs takes `#core` from the source', async () => {
  const arguments_ = ['--import', 'tsx', 'test/fixtures/core-resolved.ts'];
  const { stdout } = await promisify(execFile)(process.execPath, arguments_);
  expect(JSON.parse(stdout)).toBe(true);
});

const entries = ['index.ts', ...readdirSync('src/drivers').map((file) => `drivers/${file}`)];

test.each(entries)('%s takes what runs from `#core`, which the build does not repeat', (file) => {
  const text = readFileSync(`src/${file}`, 'utf8');
  const imports = text.matchAll(/^(?:import|export) (?!type )[^;]*? from '(\.[^']*)';$/gm);
  const own = ['./kit.ts', ...(file === 'drivers/bullmq.ts' ? ['./ioredis.ts'] : [])];
  expect([...imports].map(([, from = '']) => from).filter((from) => !own.includes(from))).toEqual([]);
});

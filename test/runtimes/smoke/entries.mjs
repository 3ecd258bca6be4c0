// Every entry of the package loads, by import and by require, and the two are the same set of names. What
// touches the kernel is in #core alone, which is no entry: elsewhere it would be loaded a second time. No
// declaration names #core, which `moduleResolution: node10` cannot resolve: such types would become `any`.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

const require = createRequire(import.meta.url);
const manifest = require.resolve('tcp-keepalive/package.json');
const { exports } = JSON.parse(readFileSync(manifest, 'utf8'));

// They need undici and prom-client, optional peers that this empty project does not have.
const withoutTheirDriver = ['./undici', './prometheus'];

let loaded = 0;
for (const [entry, { import: module }] of Object.entries(exports)) {
  if (module === undefined || withoutTheirDriver.includes(entry)) continue;
  const name = entry.replace('.', 'tcp-keepalive');
  assert.deepEqual(Object.keys(await import(name)).sort(), Object.keys(require(name)).sort(), name);
  for (const file of [join(dirname(manifest), module.default), require.resolve(name)]) {
    const text = readFileSync(file, 'utf8');
    assert.equal(text.includes('setsockopt'), false, `${file} calls setsockopt`);
  }
  loaded++;
}

const dist = new URL('dist/', pathToFileURL(manifest));
// Not what is in dist/cli: that is a process of its own.
const built = readdirSync(dist);
const holding = (text, files) =>
  files.filter((file) => readFileSync(new URL(file, dist), 'utf8').includes(text));
assert.deepEqual(
  holding(
    'setsockopt(',
    built.filter((file) => /\.c?js$/.test(file)),
  ).sort(),
  ['core.cjs', 'core.js'],
);
assert.deepEqual(
  holding(
    '#core',
    built.filter((file) => /\.d\.c?ts$/.test(file)),
  ),
  [],
);
// The second is what Bun says.
const notExported = { code: /^(ERR_PACKAGE_PATH_NOT_EXPORTED|MODULE_NOT_FOUND)$/ };
assert.throws(() => require.resolve('tcp-keepalive/core'), notExported);
assert.throws(() => require.resolve('tcp-keepalive/dist/core.cjs'), notExported);
console.log(`${loaded} entries loaded twice`);

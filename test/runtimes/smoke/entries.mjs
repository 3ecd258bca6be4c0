// Every entry of the package loads, by import and by require, the two are the same set of names, and
// what touches the kernel is in the main entry alone: elsewhere it would be loaded a second time.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const require = createRequire(import.meta.url);
const manifest = require.resolve('tcp-keepalive/package.json');
const { exports } = JSON.parse(readFileSync(manifest, 'utf8'));

// It needs undici, an optional peer that this empty project does not have.
const withoutTheirDriver = ['./undici'];

let loaded = 0;
for (const [entry, { import: module }] of Object.entries(exports)) {
  if (module === undefined || withoutTheirDriver.includes(entry)) continue;
  const name = entry.replace('.', 'tcp-keepalive');
  assert.deepEqual(Object.keys(await import(name)).sort(), Object.keys(require(name)).sort(), name);
  for (const file of [module.default, require.resolve(name)]) {
    const text = readFileSync(new URL(file, pathToFileURL(manifest)), 'utf8');
    assert.equal(text.includes('setsockopt'), entry === '.', `${file} calls setsockopt`);
  }
  loaded++;
}
console.log(`${loaded} entries loaded twice`);

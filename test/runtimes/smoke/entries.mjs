// Every entry of the package loads, by import and by require, and the two are the same set of names.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

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
  loaded++;
}
console.log(`${loaded} entries loaded twice`);

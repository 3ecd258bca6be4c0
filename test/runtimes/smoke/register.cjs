// The rules of the environment reach a program that has no line of the library in it. Without rules nothing of the
// library is loaded.
const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const { writeFileSync } = require('node:fs');
const { join } = require('node:path');

const isBun = process.versions.bun !== undefined;
const isDeno = 'Deno' in globalThis;
const source = `
  const net = require('node:net');
  const isLoaded = Object.keys(require.cache).some((file) => /tcp-keepalive.dist.core/.test(file));
  const server = net.createServer().listen(0, '127.0.0.1', () => {
    net.connect(server.address().port, '127.0.0.1', () => setTimeout(() => process.exit(), 100));
  });
  console.log(isLoaded);`;

function flagsOf() {
  if (isBun) return ['--preload', 'tcp-keepalive/register'];
  // Deno takes a file only.
  if (isDeno) return ['run', '--allow-all', '--require', require.resolve('tcp-keepalive/register')];
  return ['--require', 'tcp-keepalive/register'];
}

function started(env) {
  const file = join(process.cwd(), 'smoke', 'program.cjs');
  writeFileSync(file, source);
  const { PATH, LD_LIBRARY_PATH = '' } = process.env;
  const options = { encoding: 'utf8', env: { PATH, LD_LIBRARY_PATH, ...env } };
  const { status, stdout, stderr } = spawnSync(process.execPath, [...flagsOf(), file], options);
  assert.equal(status, 0, stderr);
  return { isLoaded: stdout.trim() === 'true', stderr };
}

assert.deepEqual(started({}), { isLoaded: false, stderr: '' });
const { isLoaded, stderr } = started({ TCP_KEEPALIVE: '*=database', TCP_KEEPALIVE_DEBUG: '1' });
if (!isBun) assert.equal(isLoaded, true);
assert.match(
  stderr,
  /client 127\.0\.0\.1:\d+, rule \*=database: enable=true initialDelay=10000 interval=5000/,
);

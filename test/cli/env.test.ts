import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundleFile } from '../helpers/bundle.ts';
import { expectRefused } from '../helpers/command-line.ts';

// With a space and a quotation mark, which a shell and NODE_OPTIONS each read in their own way.
const directory = mkdtempSync(join(tmpdir(), `tcp "keepalive's-`));
const elsewhere = mkdtempSync(join(tmpdir(), 'elsewhere-'));
const cli = join(directory, 'dist/cli.mjs');

beforeAll(async () => {
  mkdirSync(join(directory, 'dist'));
  symlinkSync(fileURLToPath(new URL('../../node_modules', import.meta.url)), join(directory, 'node_modules'));
  writeFileSync(
    join(directory, 'package.json'),
    JSON.stringify({ name: 'tcp-keepalive', exports: { './register': './dist/register.cjs' } }),
  );
  writeFileSync(join(directory, 'rules.json'), JSON.stringify({ rules: [{ port: 5432, use: 'database' }] }));
  await bundleFile('src/cli/main.ts', cli, 'esm');
  await bundleFile('src/register.cts', join(directory, 'dist/register.cjs'), 'cjs');
});
afterAll(() => {
  rmSync(directory, { recursive: true });
  rmSync(elsewhere, { recursive: true });
});

const CONNECT = `
  const net = require('node:net');
  const server = net.createServer().listen(0, '127.0.0.1', () => {
    const socket = net.connect(server.address().port, '127.0.0.1', () => {
      setImmediate(() => { socket.destroy(); server.close(); });
    });
  });
  console.log(process.env.TCP_KEEPALIVE_CONFIG);`;

/** What a shell in the given folder does after it has taken the lines that \`env\` printed in the package's folder. */
async function afterExporting(args: string, folder: string, script: string) {
  const lines = `cd "$0" && lines=$("$1" "$2" env ${args}) && eval "$lines" && cd "$3" && TCP_KEEPALIVE_DEBUG=1 "$1" -e "$4"`;
  return promisify(execFile)('sh', ['-c', lines, directory, process.execPath, cli, folder, script], {
    env: { PATH: process.env.PATH },
  });
}

test('what it prints reaches a program that starts in another folder', async () => {
  const { stderr } = await afterExporting(`--rules '*=database'`, elsewhere, CONNECT);
  expect(stderr).toMatch(
    /client 127\.0\.0\.1:\d+, rule \*=database: enable=true initialDelay=10000 interval=5000/,
  );
});

test('a relative config is printed as an absolute path', async () => {
  const { stdout, stderr } = await afterExporting('--config rules.json', elsewhere, CONNECT);
  expect(stdout).toBe(`${join(directory, 'rules.json')}\n`);
  expect(stderr).toContain('no rule');
});

test('a child that starts in another folder finds a config that was given by a relative path', async () => {
  const child = `
    const { execFileSync } = require('node:child_process');
    const child = ['-p', 'process.env.TCP_KEEPALIVE_CONFIG'];
    console.log(execFileSync(process.execPath, child, { cwd: ${JSON.stringify(elsewhere)}, encoding: 'utf8' }).trim());`;
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', child], {
    cwd: directory,
    env: {
      NODE_OPTIONS: `--require "${directory.replaceAll('"', '\\"')}/dist/register.cjs"`,
      TCP_KEEPALIVE_CONFIG: 'rules.json',
    },
  });
  expect(stdout.trim()).toBe(join(directory, 'rules.json'));
});

test.each([
  { line: 'env --rules 5432=databse', expected: 'did you mean `database`?' },
  { line: 'env --config /nowhere/rules.json', expected: 'ENOENT' },
  { line: 'env 5432=database', expected: 'Expected options, got `5432=database`' },
])('$line is refused', async ({ line, expected }) => {
  await expectRefused(line, expected);
});

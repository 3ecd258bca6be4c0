import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it, onTestFinished, test } from 'vitest';
import { bundleFile } from '../helpers/bundle.ts';
import { expectRefused } from '../helpers/command-line.ts';
import { PATIENCE } from '../helpers/patience.ts';
import { hasPseudoTerminals, inPseudoTerminal } from '../helpers/pseudo-terminal.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
// With a space, as on many people's machines.
const directory = mkdtempSync(join(tmpdir(), 'tcp keepalive-'));

beforeAll(async () => {
  writeFileSync(
    join(directory, 'package.json'),
    JSON.stringify({ name: 'tcp-keepalive', exports: { './register': './dist/register.cjs' } }),
  );
  mkdirSync(join(directory, 'dist'));
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'));
  await bundleFile('src/cli/main.ts', join(directory, 'dist/cli.mjs'), 'esm');
  await bundleFile('src/register.cts', join(directory, 'dist/register.cjs'), 'cjs');
});
afterAll(() => rmSync(directory, { recursive: true }));

const CONNECT = `
  const net = require('node:net');
  const server = net.createServer().listen(0, '127.0.0.1', () => {
    const socket = net.connect(server.address().port, '127.0.0.1', () => {
      setImmediate(() => { socket.destroy(); server.close(); process.exitCode = 7; });
    });
  });
  console.log(process.argv.slice(1).join());`;

interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

const typed = (...args: string[]) => typedAndSent('SIGTERM', ...args);

/** The signal is sent when the program is ready for it. */
async function typedAndSent(signal: NodeJS.Signals, ...args: string[]): Promise<Outcome> {
  const child = spawn(process.execPath, [join(directory, 'dist/cli.mjs'), 'run', ...args], {
    env: { PATH: process.env.PATH ?? '', NODE_OPTIONS: '--no-deprecation', TCP_KEEPALIVE_DEBUG: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: PATIENCE,
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk) => {
    out += chunk;
    if (out.endsWith('ready\n')) child.kill(signal);
  });
  child.stderr.on('data', (chunk) => {
    err += chunk;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, out, err };
}

it('runs a program under the rules, with its arguments, output and exit code', async () => {
  const { code, out, err } = await typed(
    '--rules',
    '*=database; listen:*=off',
    ...['--', process.execPath, '-e', CONNECT, '--', '--help', 'x'],
  );
  expect({ code, out }).toEqual({ code: 7, out: '--help,x\n' });
  expect(err).toMatch(
    /^tcp-keepalive: client 127\.0\.0\.1:\d+, rule \*=database: enable=true initialDelay=10000 /m,
  );
});

it('takes all from the program on as its own, also without --', async () => {
  const { code, out } = await typed('--rules', '*=off', process.execPath, '-p', '6 * 7');
  expect({ code, out }).toEqual({ code: 0, out: '42\n' });
});

it('says that bun, here a script of that name, ignores NODE_OPTIONS, and runs it all the same', async () => {
  const bun = join(directory, 'bun');
  writeFileSync(bun, '#!/bin/sh\nexit 5\n', { mode: 0o755 });
  const { code, err } = await typed('--rules', '*=off', '--', bun, 'app.js');
  expect(code).toBe(5);
  expect(err).toMatch(/^tcp-keepalive: bun ignores NODE_OPTIONS, .* bun --preload tcp-keepalive\/register/);
});

it('gives the exit code of a program that ended by a signal', async () => {
  const source = "process.kill(process.pid, 'SIGKILL')";
  const { code } = await typed('--rules', '*=off', '--', process.execPath, '-e', source);
  expect(code).toBe(128 + 9);
});

test.each(['SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const)(
  'hands on %s',
  async (signal) => {
    const source = `
    process.on('${signal}', () => { console.log('ended'); process.exit(3); });
    setTimeout(() => {}, 15000);
    console.log('ready');`;
    const { code, out } = await typedAndSent(
      signal,
      '--rules',
      '*=off',
      '--',
      process.execPath,
      '-e',
      source,
    );
    expect({ code, out }).toEqual({ code: 3, out: 'ready\nended\n' });
  },
);

test.skipIf(!hasPseudoTerminals).each([
  { key: 'Ctrl-C', typed: '\u0003', signal: 'SIGINT' },
  { key: 'Ctrl-\\', typed: '\u001c', signal: 'SIGQUIT' },
])(
  'hands on no $signal that the terminal has sent to the program as well, for $key',
  async ({ typed, signal }) => {
    // What would be handed on comes before the SIGTERM that is handed on.
    const source = `
    let count = 0;
    process.on('${signal}', () => { if (++count === 1) process.kill(process.ppid, 'SIGTERM'); });
    process.on('SIGTERM', () => { console.log('heard ' + count); process.exit(3); });
    setTimeout(() => {}, 15000);
    console.log('ready');`;
    // Slow, since a signal that waits to be heard takes in another of its kind.
    const slow = `process.on('${signal}', () => { const end = Date.now() + 200; while (Date.now() < end); });`;
    const node = [process.execPath, '--import', `data:text/javascript,${encodeURIComponent(slow)}`];
    const cli = [...node, join(directory, 'dist/cli.mjs'), 'run', '--rules', '*=off'];
    const terminal = inPseudoTerminal([...cli, '--', process.execPath, '-e', source], {
      PATH: process.env.PATH,
    });
    await terminal.shows('ready');
    terminal.type(typed);
    const { code, out } = await terminal.ended;
    expect(out).toContain('heard 1');
    expect(code).toBe(3);
  },
);

test.each([
  { program: '/no/such/program', status: 127, message: '`/no/such/program`: spawn .*ENOENT' },
  { program: '/no/such\nprogram', status: 127, message: '`/no/such.*`: spawn .*ENOENT' },
  { program: '/etc/passwd/program', status: 126, message: '`/etc/passwd/program`: spawn ENOTDIR' },
  { program: '/etc/passwd', status: 126, message: '`/etc/passwd`: spawn .*EACCES' },
  { program: '', status: 126, message: "``: The argument 'file' cannot be empty.*" },
])(
  'says in one line that $program cannot be run, with exit code $status',
  async ({ program, status, message }) => {
    const { code, err } = await typed('--rules', '*=off', '--', program);
    expect(err).toMatch(new RegExp(`^tcp-keepalive: Cannot run ${message}\n$`));
    expect(code).toBe(status);
  },
);

it('takes the rules of a file', async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'tcp-keepalive-')), 'rules.json');
  onTestFinished(() => rmSync(dirname(file), { recursive: true }));
  writeFileSync(file, JSON.stringify({ rules: [{ port: 5432, use: 'database' }] }));
  const print = 'process.env.TCP_KEEPALIVE_CONFIG';
  const { code, out } = await typed('--config', file, '--', process.execPath, '-p', print);
  expect({ code, out }).toEqual({ code: 0, out: `${file}\n` });
  const { code: refused, err } = await typed(
    '--config',
    '/no/such/file',
    '--',
    process.execPath,
    '-p',
    print,
  );
  expect(err).toMatch(/^tcp-keepalive: Cannot read the rules: ENOENT/);
  expect(refused).toBe(2);
});

test.each([
  ['run', "Expected --rules, such as --rules '5432=database'"],
  ['run --rules *=off', 'Expected a program after --'],
  ['run --rules *=of -- node', '(--rules, rule 1, character 3)'],
  ['run --rule *=off -- node', 'did you mean `--rules`?'],
])('%s is answered with one line', expectRefused);

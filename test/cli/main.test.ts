import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { bundledCli, ESCAPE } from '../helpers/command-line.ts';

const cli = bundledCli();

test('explain answers without koffi, and without colour on a pipe', async () => {
  const { stdout, stderr } = await cli.run('explain', 'database');
  expect(stdout).toContain('✖');
  expect(stdout).not.toContain(ESCAPE);
  expect(stderr).toBe('');
});

test('explain starts fast, because it loads no part of Node that it does not need', async () => {
  const loaded = await loadedBy('explain', 'database');
  expect(loaded).toContain('NativeModule fs');
  expect(loaded.filter((name) => /^NativeModule (_?http|https|dns|tls|child_process)/.test(name))).toEqual(
    [],
  );
});

test('wrong usage ends with 2, in one line', async () => {
  await expect(cli.run('explain', 'data\nbase\u001b[31m')).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/^tcp-keepalive: \P{Cc}*\n$/u),
  });
});

test('wrong usage ends with 2, without a stack trace', async () => {
  await expect(cli.run('explain', 'databse')).rejects.toMatchObject({
    code: 2,
    stdout: '',
    stderr: expect.stringMatching(/^tcp-keepalive: Expected a preset[^\n]*\n$/),
  });
});

/** The parts of Node that a command loads. */
async function loadedBy(...args: string[]): Promise<string[]> {
  const file = join(mkdtempSync(join(tmpdir(), 'tcp-keepalive-')), 'list.cjs');
  onTestFinished(() => rmSync(dirname(file), { recursive: true }));
  writeFileSync(file, "process.on('exit', () => process.stderr.write(process.moduleLoadList.join('\\n')))");
  const run = promisify(execFile)(process.execPath, ['--require', file, cli.file, ...args]);
  return (await run).stderr.split('\n');
}

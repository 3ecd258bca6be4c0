import { expect, test } from 'vitest';
import { bundledCli, ESCAPE } from '../helpers/command-line.ts';

const cli = bundledCli();

test('explain answers without koffi, and without colour on a pipe', async () => {
  const { stdout, stderr } = await cli.run('explain', 'database');
  expect(stdout).toContain('✖');
  expect(stdout).not.toContain(ESCAPE);
  expect(stderr).toBe('');
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

import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import util from 'node:util';
import { expect, test } from 'vitest';
import { bundledCli, ESCAPE } from '../helpers/command-line.ts';
import { hasPseudoTerminals, inPseudoTerminal } from '../helpers/pseudo-terminal.ts';

const cli = bundledCli();

const hasStyles = 'styleText' in util;
test.skipIf(!hasPseudoTerminals || !hasStyles).each([
  { setting: 'without NO_COLOR', env: {}, isColored: true },
  { setting: 'if NO_COLOR is empty', env: { NO_COLOR: '' }, isColored: true },
  { setting: 'if NO_COLOR is set', env: { NO_COLOR: '0' }, isColored: false },
  { setting: 'if the terminal is dumb', env: { TERM: 'dumb' }, isColored: false },
  { setting: 'if FORCE_COLOR is 0', env: { FORCE_COLOR: '0' }, isColored: false },
  { setting: 'if FORCE_COLOR is 1 on a dumb one', env: { FORCE_COLOR: '1', TERM: 'dumb' }, isColored: true },
])('on a terminal, $setting: in colour $isColored', async ({ env, isColored }) => {
  const { PATH } = process.env;
  const terminal = inPseudoTerminal([process.execPath, cli.file, 'presets'], { PATH, ...env });
  const { code, out } = await terminal.ended;
  expect(code).toBe(0);
  expect(out).toContain('fastFailover');
  expect(out.includes(ESCAPE)).toBe(isColored);
});

test.skipIf(!fs.existsSync('/dev/full'))('a full disk is told of in one line', async () => {
  const full = fs.openSync('/dev/full', 'w');
  const { status, stderr } = spawnSync(process.execPath, [cli.file, 'presets'], {
    stdio: ['ignore', full, 'pipe'],
    encoding: 'utf8',
  });
  fs.closeSync(full);
  expect(stderr).toMatch(/^tcp-keepalive: ENOSPC[^\n]*\n$/);
  expect(status).toBe(1);
});

test.skipIf(process.platform === 'win32')(
  'a reader that has closed its pipe, as head(1) does, is no failure',
  () => {
    const pipe = path.join(path.dirname(cli.file), 'pipe');
    execFileSync('mkfifo', [pipe]);
    // A writer can open the pipe only while it has a reader.
    const reader = fs.openSync(pipe, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
    const writer = fs.openSync(pipe, fs.constants.O_WRONLY);
    fs.closeSync(reader);
    const { status, stderr } = spawnSync(process.execPath, [cli.file, 'explain', 'database'], {
      stdio: ['ignore', writer, 'pipe'],
      encoding: 'utf8',
    });
    fs.closeSync(writer);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  },
);

test.skipIf(!hasStyles)('FORCE_COLOR colours what a pipe gets', () => {
  const { stdout } = spawnSync(process.execPath, [cli.file, 'presets'], {
    env: { PATH: process.env.PATH, FORCE_COLOR: '1' },
    encoding: 'utf8',
  });
  expect(stdout).toContain(ESCAPE);
});

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { expect, it, type TestContext, vi } from 'vitest';
import { openScreen } from '../examples/demo/screen.ts';
import { type DetectionWindow, predictDetection } from '../src/predict/predict.ts';
import { describeWhereInstalled } from './helpers/describe-with-server.ts';
import { PATIENCE } from './helpers/patience.ts';
import { postgres } from './helpers/start-postgres.ts';

/** What is rounded away in `11.2 s`, in milliseconds. */
const ROUNDING = 50;

describeWhereInstalled('npm run demo', postgres, () => {
  it.concurrent('shows that ours alone notices, when it was predicted', { timeout: 2 * PATIENCE }, async ({
    onTestFinished,
  }) => {
    const demo = startDemo(onTestFinished);
    await once(demo.process, 'close');
    expect(demo.output()).toMatch(/^ {2}pg as it comes +never +\d+ min +\d+ min$/m);
    expect(demo.output()).toMatch(/^ {2}pg, keepAlive: true +\d+ h \d+ min +\d+ min +\d+ min$/m);
    const measured = '([\\d.]+) s \\(measured\\)';
    const ours = new RegExp(`^ {2}pg with tcp-keepalive +${measured} +${measured} +${measured}$`, 'm');
    const [, idle, inFlight, connecting] = ours.exec(demo.output()) ?? [];
    const expected = predictDetection('fastFailover');
    expectWithin(expected.idle, Number(idle) * 1000);
    expectWithin(expected.unacknowledged, Number(inFlight) * 1000);
    expectWithin(expected.connecting, Number(connecting) * 1000);
    expect(demo.output()).toMatch(/^ {2}[\d.]+ s +still connecting +still connecting +answered$/m);
    expect(demo.process.exitCode).toBe(0);
    expect(demo.left()).toEqual([]);

    // As plain as a pipe needs it, and as narrow as any terminal.
    expect(demo.output()).toMatch(/^[\n -~]*$/);
    expect(demo.output().split('\n')).toSatisfy((lines: string[]) =>
      lines.every((line) => line.length <= 80),
    );
  });

  it.concurrent.for([
    { moment: 'PostgreSQL is being started', text: 'Starting' },
    { moment: 'the peer has vanished', text: '0.0 s' },
  ])('leaves nothing behind after a Ctrl-C while $moment', async ({ text }, { onTestFinished }) => {
    const demo = startDemo(onTestFinished);
    await vi.waitFor(() => expect(demo.output()).toContain(text), PATIENCE);
    await vi.waitFor(() => expect(demo.left()).not.toEqual([]), PATIENCE);
    demo.process.kill('SIGINT');
    await once(demo.process, 'close');
    expect(demo.process.exitCode).toBe(130);
    expect(demo.left()).toEqual([]);
  });
});

it.each([
  { columns: 80, shown: '  11.2 s     3 probes unanswered    3 probes unanswered    3 probes unanswered' },
  { columns: 79, shown: '' },
])('the line that moves is shown on a terminal of $columns columns, if it fits', ({ columns, shown }) => {
  vi.stubEnv('TERM', 'xterm');
  const write = vi.fn();
  const screen = openScreen({ isTTY: true, columns, write });
  screen.live('11.2 s', Array(3).fill({ text: '3 probes unanswered', tone: 'quiet' }));
  expect(stripVTControlCharacters(write.mock.calls.join('')).replace('\r', '')).toBe(shown);
  vi.unstubAllEnvs();
});

interface Demo {
  readonly process: ChildProcess;
  output(): string;
  /** What it left behind: files, and processes that have to do with them. */
  left(): string[];
}

/** Starts the demo with a temporary directory of its own. */
function startDemo(onTestFinished: TestContext['onTestFinished']): Demo {
  const directory = mkdtempSync(join(tmpdir(), 'tcp-keepalive-demo-'));
  chmodSync(directory, 0o755); // PostgreSQL's user is another.
  const child = spawn(process.execPath, ['examples/demo/start.js'], {
    cwd: new URL('..', import.meta.url),
    env: { ...process.env, TMPDIR: directory },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(async () => {
    if (child.exitCode === null) {
      child.kill();
      await once(child, 'close');
    }
    rmSync(directory, { recursive: true });
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  return {
    process: child,
    output: () => output,
    left: () => [...readdirSync(directory), ...processesIn(directory)],
  };
}

function processesIn(directory: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      const place = readlinkSync(`/proc/${pid}/cwd`) + readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      return place.includes(directory);
    } catch {
      return false; // No process, or not one of ours.
    }
  });
}

function expectWithin({ earliest, latest }: DetectionWindow, time: number): void {
  expect(time).toBeGreaterThanOrEqual(earliest - ROUNDING);
  expect(time).toBeLessThanOrEqual(latest + ROUNDING);
}

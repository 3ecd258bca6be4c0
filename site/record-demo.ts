import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { recordingOf, timedOutput } from './recording.ts';

// Runs the demo in a terminal of 80 columns, and writes what it shows, and when, to docs/images/demo.svg.
// It needs the `script` of util-linux, and takes 40 seconds.

const directory = mkdtempSync(join(tmpdir(), 'recording-'));
try {
  const [output, timing] = ['output', 'timing'].map((name) => join(directory, name)) as [string, string];
  const command = 'stty cols 80 rows 24; exec node examples/demo/start.js';
  const { status } = spawnSync('script', ['-qe', '-c', command, '-O', output, '-T', timing], {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    env: { ...process.env, TERM: 'xterm', NO_COLOR: '' },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (status !== 0) throw new Error(`The demo ended with exit code ${status}`);
  const written = timedOutput(readFileSync(output), readFileSync(timing, 'utf8'));
  const svg = recordingOf([{ time: 0, text: '$ npm run demo\r\n\r\n' }, ...written], {
    title: 'A recording of npm run demo, three times as fast',
    speed: 3,
  });
  writeFileSync(new URL('../docs/images/demo.svg', import.meta.url), svg);
} finally {
  rmSync(directory, { recursive: true });
}

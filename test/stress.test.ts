import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { PATIENCE } from './helpers/patience.ts';
import { postgres } from './helpers/start-postgres.ts';
import { descriptorReuse } from './stress/descriptor-reuse.ts';
import { faults } from './stress/faults.ts';
import { randomInput } from './stress/random-input.ts';
import { threadsAndProcesses } from './stress/threads-and-processes.ts';

// Each is a script that can be run alone, at length: `npx tsx test/stress/<name>.ts --full`.
describe.runIf(process.platform === 'linux')('hard use', { timeout: 3 * PATIENCE }, () => {
  test.concurrent('a thousand held sockets are all noticed in time', async () => {
    expect(await script('many-sockets.ts')).toContain('noticed: 1000');
  });

  test.concurrent('the connections of six processes are all listed while others come and go', async () => {
    expect(await script('many-connections.ts')).toMatch(/connections: 600\d/);
  });

  test.concurrent('nothing of a pool under churn piles up', async ({ skip }) => {
    const missing = postgres.missing();
    if (missing !== undefined) skip(missing);
    expect(await script('soak.ts')).toMatch(/rounds: [2-9]/);
  });

  test('random inputs succeed or are refused with a code', async () => {
    expect(await randomInput(10_000)).toMatchObject({ calls: 10_000 });
  });

  test('no option lands on the socket that got another one’s number', async () => {
    expect((await descriptorReuse(2_000)).reused).toBeGreaterThan(0);
  });

  test('a service outlives what the kernel or koffi refuses', async () => {
    expect(await faults(false)).toHaveProperty('koffi is missing');
  });

  test('options and drills reach the connections of another process that were meant, and leave nothing', async () => {
    expect(await script('other-processes.ts')).toMatch(/drilled: [1-9]/);
  });

  test('threads and processes set options at once, and end as they mean to', async () => {
    expect(await threadsAndProcesses(false)).toHaveProperty('SIGINT without a handler', 'exit SIGINT');
  });
});

/** Runs a script in a process of its own, where it measures nobody else's memory: what it printed. */
async function script(name: string): Promise<string> {
  const project = fileURLToPath(new URL('..', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', `test/stress/${name}`], {
    cwd: project,
    timeout: 2 * PATIENCE,
  });
  return stdout;
}

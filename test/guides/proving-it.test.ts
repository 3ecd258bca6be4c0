import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { describeWithServer } from '../helpers/describe-with-server.ts';
import type { RunningServer } from '../helpers/server-process.ts';
import { postgres } from '../helpers/start-postgres.ts';
import { runProgram, withProgram } from './program.ts';

// The programs of docs/guides/proving-it.md.

const guide = 'proving-it.md';
const heading = 'Five steps, the cheapest first';

type Checked = { pool: { end(): Promise<void> }; checkPool(): Promise<void> };

describeWithServer('with PostgreSQL', postgres, (server) => {
  test.each([
    { name: 'passes', replaced: {}, fails: undefined },
    {
      name: 'fails without a user timeout',
      replaced: { '"userTimeout":"auto"': '"userTimeout":0' },
      fails: /^Error: unbounded: \{"enable":true,.*"userTimeout":0/,
    },
  ])('the health check $name', async ({ replaced, fails }) => {
    const environment = { DATABASE_URL: url(server()) };
    const { pool, checkPool } = await runProgram<Checked>(guide, heading, { environment, replaced });
    onTestFinished(() => pool.end());
    if (fails === undefined) await checkPool();
    else expect(String(await checkPool().catch((error: unknown) => error))).toMatch(fails);
  });

  test('the test passes under node:test', async () => {
    const environment = { DATABASE_URL: url(server()) };
    const { stdout } = await withProgram(guide, heading, { environment, index: 1 }, (file) =>
      promisify(execFile)(process.execPath, ['--import', 'tsx', '--test', fileURLToPath(file)]),
    );
    expect(stdout).toMatch(/pass 1$/m);
  });
});

function url({ user, password, host, port, database }: RunningServer): string {
  return `postgres://${user}:${password}@${host}:${port}/${database}`;
}

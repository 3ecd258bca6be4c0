import { setTimeout } from 'node:timers/promises';
import { predictDetection } from 'tcp-keepalive';
import { vanish, vanishingProxy } from 'tcp-keepalive/testing';
import { expect, test } from 'vitest';
import { describeWithServer } from '../helpers/describe-with-server.ts';
import { acknowledged } from '../helpers/detection.ts';
import { quick } from '../helpers/driver-under-test.ts';
import { startProcess } from '../helpers/other-process.ts';
import { fixtureArguments } from '../helpers/run-fixture.ts';
import { postgres } from '../helpers/start-postgres.ts';

// docs/guides/serverless.md: a process is stopped (SIGSTOP), the path forgets its connection, and it goes on (SIGCONT)
// with a request. New connections work.

/** No probe goes out while the process is stopped, as if the kernel had stood still too. */
const stoodStill = { initialDelay: 60_000, interval: 1_000, count: 2, userTimeout: 2_500 } as const;
const { unacknowledged } = predictDetection(stoodStill);
/** Less than the user timeout, and enough for a busy machine. */
const AT_ONCE = 2_000;
/** Longer than an idle connection with `quick` takes to be lost. */
const STOPPED = 4_500;

const rows = [
  {
    what: 'the kernel stood still too: the first query hangs for userTimeout',
    options: stoodStill,
    request: 'query',
    outcome: /^ETIMEDOUT$/,
    from: unacknowledged.earliest,
    to: unacknowledged.latest + AT_ONCE,
  },
  {
    what: 'a ping with a bound of 500 ms before it: answered after that',
    options: stoodStill,
    request: 'ping',
    outcome: /^answered$/,
    from: 500,
    to: AT_ONCE,
  },
  {
    what: 'a pool of its own: answered at once',
    options: stoodStill,
    request: 'fresh',
    outcome: /^answered$/,
    from: 0,
    to: AT_ONCE,
  },
  {
    // Whether the process hears of the error before the request is chance.
    what: 'only the process stood still: its kernel has ended the connection, and nothing hangs',
    options: quick,
    request: 'query',
    outcome: /^(answered|ETIMEDOUT)$/,
    from: 0,
    to: AT_ONCE,
  },
];

describeWithServer('an instance that was frozen', postgres, (server) => {
  test.concurrent.for(rows)('$what', async ({ options, request, outcome, from, to }, { onTestFinished }) => {
    const { host, user, password, database } = server();
    const proxy = await vanishingProxy({ to: server().port });
    onTestFinished(() => proxy.close());
    const pool = { host, port: proxy.port, user, password, database, max: 1 };
    const args = await fixtureArguments('frozen-client.ts', JSON.stringify({ pool, options }));
    const client = startProcess([process.execPath, ...args]);
    onTestFinished(() => void client.child.kill('SIGKILL'));
    await client.says('ready');

    client.child.kill('SIGSTOP');
    await acknowledged(proxy.connections);
    vanish(...proxy.connections);
    await setTimeout(STOPPED);
    client.tell(request);
    client.child.kill('SIGCONT');
    await client.says('outcome');

    const told = JSON.parse(/{.*}/.exec(client.out())?.[0] ?? '');
    expect(told.outcome).toMatch(outcome);
    expect(told.took).toBeGreaterThanOrEqual(from - 10);
    expect(told.took).toBeLessThanOrEqual(to);
  });
});

import { installKeepAlive, predictDetection } from 'tcp-keepalive';
import { describe, expect, test } from 'vitest';
import { describeWithServer } from '../helpers/describe-with-server.ts';
import { stalledBetween } from '../helpers/detection.ts';
import { type Failover, outageOf, spoken, startFailover } from '../helpers/failover.ts';
import { failoverDrivers } from '../helpers/failover-clients.ts';
import { PATIENCE } from '../helpers/patience.ts';

// A server vanishes, and its name is that of another one when a driver has begun to connect again to the one that is
// gone. With one connection, that attempt has to end before the next one can find the other.

const options = { initialDelay: 1_000, interval: 1_000, count: 3, userTimeout: 3_000 } as const;
const moveAfter = 5_500;
const { connecting } = predictDetection(options);

const ways = [
  {
    way: 'by its module',
    hold: options,
    install: () => () => {},
  },
  {
    way: 'by a rule',
    hold: undefined,
    install: ({ host }: Failover) => installKeepAlive([{ host, use: options }]),
  },
];

describe.runIf(process.platform === 'linux')('a failover is over in time', { concurrent: true }, () => {
  for (const { driver, server, backOff, open } of failoverDrivers) {
    describeWithServer(driver, server, (running) => {
      test.concurrent.for(ways)('$way', async ({ hold, install }, { onTestFinished }) => {
        const failover = await startFailover(running());
        onTestFinished(() => failover.close());
        onTestFinished(install(failover));
        const { host } = failover;
        const client = open({ ...running(), host }, { max: 1, ...(hold && { hold }) });
        onTestFinished(async () => void (await client.end()));

        const began = performance.now();
        const { recoveredAfter, failed } = await outageOf(failover, client.query, {
          moveAfter,
          patience: PATIENCE,
        });
        const stalled = stalledBetween(began, performance.now());
        expect(recoveredAfter).toBeGreaterThan(0);
        expect(recoveredAfter).toBeLessThanOrEqual(connecting.latest + 2_000 + backOff + stalled);
        // The kernel has spoken, and no driver's own timeout: that of each is longer. ioredis tries again by itself.
        const speakers = failed.map(({ error }) => spoken(error));
        expect([...new Set(speakers)]).toEqual(
          driver === 'ioredis' ? [] : ['read ETIMEDOUT', 'connect ETIMEDOUT'],
        );
      });
    });
  }
});

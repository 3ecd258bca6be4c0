import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { vanish } from 'tcp-keepalive/testing';
import { describe, test, vi } from 'vitest';
import { predictDetection } from '../../src/predict/predict.ts';
import { getTcpInfo } from '../../src/sockets/get.ts';
import { setKeepAlive } from '../../src/sockets/set.ts';
import { connectedPair } from '../helpers/connected-pair.ts';
import { acknowledged, lastHeard } from '../helpers/detection.ts';
import { hasRetransmitInterval } from '../helpers/retransmit-interval.ts';

// A flap of the path each: it comes back just before the moment until which the connection survives.
vi.setConfig({ maxConcurrency: 16 });
const MARGIN = 250;

const inFlight = [
  { userTimeout: 3_000 },
  { userTimeout: 5_500 },
  ...(hasRetransmitInterval
    ? [
        { userTimeout: 5_500, maxRetransmitInterval: 1_000 },
        { userTimeout: 9_000, maxRetransmitInterval: 1_125 },
        { userTimeout: 9_000, maxRetransmitInterval: 2_000 },
      ]
    : []),
];

const idle = [
  { initialDelay: 1_000, interval: 1_000, count: 3 },
  { initialDelay: 2_000, interval: 1_000, count: 4, userTimeout: 'auto' },
  { initialDelay: 1_000, interval: 2_000, count: 3, userTimeout: 'auto' },
] as const;

describe.runIf(process.platform === 'linux')('an outage is survived', { concurrent: true }, () => {
  test.for(inFlight)('with data in flight: %o', async (options, { expect, skip, onTestFinished }) => {
    const { client, server, close } = await connectedPair();
    onTestFinished(close);
    setKeepAlive(client, options);
    server.on('data', () => server.write('answer'));
    client.write('query');
    await once(client, 'data');
    await acknowledged([client, server]);
    const restore = vanish(client, server);
    const { survives } = predictDetection(options, { rto: getTcpInfo(client).rto });
    const written = performance.now();
    client.write('query');
    const end = once(client, 'data').then(
      () => 'answered',
      (error) => error.code,
    );
    await sleep(survives.unacknowledged - MARGIN);
    restore();
    if (performance.now() - written > survives.unacknowledged)
      skip('this process had to wait for a processor');
    expect(await end).toBe('answered');
  });

  test.for(idle)('while it is idle: %o', async (options, { expect, skip, onTestFinished }) => {
    const { client, server, close } = await connectedPair();
    onTestFinished(close);
    setKeepAlive(client, options);
    client.resume();
    server.resume();
    client.write('ping');
    await once(server, 'data');
    await acknowledged([client, server]);
    const restore = vanish(client, server);
    const heard = lastHeard(client);
    const { survives, idle } = predictDetection(options);
    await sleep(heard + survives.idle - MARGIN - performance.now());
    const { probes } = getTcpInfo(client);
    restore();
    if (performance.now() - heard > survives.idle) skip('this process had to wait for a processor');
    expect(probes).toBeGreaterThan(0);
    await sleep(heard + idle.latest + MARGIN - performance.now());
    expect(getTcpInfo(client)).toMatchObject({ state: 'ESTABLISHED', probes: 0 });
  });
});

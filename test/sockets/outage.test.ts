import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  getKeepAlive,
  getTcpInfo,
  type KeepAliveOptions,
  keepAlive,
  keepAliveServer,
  setKeepAlive,
} from 'tcp-keepalive';
import { expectDetection, vanish } from 'tcp-keepalive/testing';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { parseKeepAliveOptions } from '../../src/options/parse.ts';
import { predictDetection } from '../../src/predict/predict.ts';
import { type ConnectedPair, connectedPair } from '../helpers/connected-pair.ts';
import { acknowledged } from '../helpers/detection.ts';
import { accept, listen } from '../helpers/listen.ts';
import { asRead, hasRetransmitInterval } from '../helpers/retransmit-interval.ts';

// They wait for the kernel, all of them at once.
vi.setConfig({ maxConcurrency: 16 });

const userTimeout = 6_000;

type OnFinished = typeof onTestFinished;

/** Two ends that have heard each other, and of which nothing is unacknowledged. */
async function ends(options: KeepAliveOptions, finished: OnFinished): Promise<ConnectedPair> {
  const pair = await connectedPair();
  finished(pair.close);
  setKeepAlive(pair.client, options);
  pair.server.on('data', () => pair.server.write('answer'));
  pair.client.write('query');
  await once(pair.client, 'data');
  await acknowledged([pair.client, pair.server]);
  return pair;
}

describe.runIf(hasRetransmitInterval).concurrent('with maxRetransmitInterval, data in flight', () => {
  test.for([
    // Retransmissions come at 0.2, 0.4, 0.8, 1.7 and 3.4 s, and the next would come after the user timeout.
    { options: { userTimeout }, survives: false },
    { options: { userTimeout, maxRetransmitInterval: 1_000 }, survives: true },
    { options: { userTimeout, maxRetransmitInterval: 'auto' }, survives: true },
  ] as const)(
    'survives an outage of 4.5 s with $options: $survives',
    async ({ options, survives }, { expect, onTestFinished }) => {
      const { client, server } = await ends(options, onTestFinished);
      const restore = vanish(client, server);
      const { rto } = getTcpInfo(client);
      const written = performance.now();
      client.write('query');
      const end = once(client, 'data').then(
        () => 'answered',
        (error) => error.code,
      );
      await sleep(4_500);
      restore();
      if (survives) {
        expect(await end).toBe('answered');
        expect(performance.now() - written).toBeLessThan(
          predictDetection(options, { rto }).unacknowledged.earliest,
        );
      } else {
        expect(await end).toBe('ETIMEDOUT');
      }
    },
  );

  test.for([
    { userTimeout: 3_000, maxRetransmitInterval: 1_000 },
    { maxRetransmitInterval: 1_000 },
    { maxRetransmitInterval: 1_300 },
  ])(
    'to a peer that has vanished is given up as predicted: %o',
    async (options, { expect, onTestFinished }) => {
      const { client, server } = await ends(options, onTestFinished);
      vanish(client, server);
      client.write('query');
      const inFlight = { state: 'unacknowledged', socket: client } as const;
      const noticed = await expectDetection(once(client, 'error'), options, inFlight);
      expect(noticed).toMatchObject([{ code: 'ETIMEDOUT' }]);
    },
  );

  test.for([
    { maxRetransmitInterval: 1_000 },
    // It gives up before the user timeout, once the SYNs are sent.
    { userTimeout: 20_000, maxRetransmitInterval: 1_000 },
    { userTimeout: 5_000, maxRetransmitInterval: 1_000 },
  ])('of a connect ends as predicted: %o', async (options, { expect, onTestFinished }) => {
    const listener = net.createServer();
    const port = await new Promise<number>((resolve) => {
      listener.listen(0, '127.0.0.1', () => resolve((listener.address() as net.AddressInfo).port));
    });
    onTestFinished(() => void listener.close());
    vanish(listener);
    const client = keepAlive(net.connect(port, '127.0.0.1'), options);
    const noticed = await expectDetection(once(client, 'error'), options, { state: 'connecting' });
    expect(noticed).toMatchObject([{ code: 'ETIMEDOUT', syscall: 'connect' }]);
  });
});

test.runIf(hasRetransmitInterval)('maxRetransmitInterval is inherited from a listener', async () => {
  const server = keepAliveServer(net.createServer(), 'database');
  await listen(server);
  expect(getKeepAlive(await accept(server))).toEqual(asRead(parseKeepAliveOptions('database')));
});

test.runIf(hasRetransmitInterval)('maxRetransmitInterval is held', async () => {
  const { client, close } = await connectedPair();
  onTestFinished(close);
  keepAlive(client, { maxRetransmitInterval: 5_000, userTimeout: 9_000 });
  client.setKeepAlive(true, 60_000);
  expect(getKeepAlive(client)).toMatchObject({ maxRetransmitInterval: 5_000, userTimeout: 9_000 });
  setKeepAlive(client, { maxRetransmitInterval: 7_000 });
  client.setKeepAlive(true, 61_000);
  expect(getKeepAlive(client)).toMatchObject({ maxRetransmitInterval: 7_000, userTimeout: 9_000 });
});

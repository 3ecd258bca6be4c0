import { once } from 'node:events';
import { keepAlive } from 'tcp-keepalive';
import { vanish } from 'tcp-keepalive/testing';
import { onTestFinished } from 'vitest';
import { connectedPair } from './connected-pair.ts';
import { acknowledged } from './detection.ts';

/** Options with which an idle peer that vanishes is noticed after three seconds, by the number of probes. */
export const quick = { initialDelay: 1_000, interval: 1_000, count: 2, userTimeout: 0 } as const;

/** Holds connections whose peers vanish, one of them with data in flight, and waits until all are lost. */
export async function loseTwo(): Promise<void> {
  const pairs = [await connectedPair(), await connectedPair()];
  for (const { close } of pairs) onTestFinished(close);
  const lost = pairs.map(async ({ client, server }, i) => {
    keepAlive(client.resume(), i === 0 ? quick : { ...quick, userTimeout: 'auto' });
    await acknowledged([client, server]);
    vanish(client, server);
    if (i === 1) client.write('nobody hears this');
    await once(client, 'error');
  });
  await Promise.all(lost);
}

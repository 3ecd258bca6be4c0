import { once } from 'node:events';
import type net from 'node:net';
import { getTcpInfo, keepAlive, type Preset, presets, setKeepAlive } from 'tcp-keepalive';
import { expectDetection, vanish } from 'tcp-keepalive/testing';
import { describe, expect, test, vi } from 'vitest';
import { connectedPair } from '../helpers/connected-pair.ts';
import { acknowledged } from '../helpers/detection.ts';
import { tlsPair } from '../helpers/tls-pair.ts';

// They wait for the kernel, all of them at once.
vi.setConfig({ maxConcurrency: 16 });

type Options = Omit<Preset, 'userTimeout'> & { readonly userTimeout: number | 'auto' };

interface Pair {
  readonly client: net.Socket;
  readonly server: net.Socket;
  close(): Promise<void>;
}

/** A preset's shape in the least time that kernels count in: one second between probes. */
function scaledDown({ initialDelay, interval, count }: Preset): Options {
  return {
    enable: true,
    initialDelay: Math.max(1_000, Math.floor((initialDelay / interval) * 1_000)),
    interval: 1_000,
    count,
    userTimeout: 'auto',
    maxRetransmitInterval: 'auto',
  };
}

const scaled = {
  database: scaledDown(presets.database),
  fastFailover: scaledDown(presets.fastFailover),
  tunnel: scaledDown(presets.tunnel),
  loadBalancer: scaledDown(presets.loadBalancer),
};

const idle: readonly { name: string; open: () => Promise<Pair>; options: Options }[] = [
  { name: 'database', open: connectedPair, options: scaled.database },
  { name: 'fastFailover', open: connectedPair, options: scaled.fastFailover },
  { name: 'tunnel', open: connectedPair, options: scaled.tunnel },
  { name: 'loadBalancer over IPv6', open: () => connectedPair('::1'), options: scaled.loadBalancer },
  { name: 'database over TLS', open: tlsPair, options: scaled.database },
  { name: 'fastFailover at its full length', open: connectedPair, options: presets.fastFailover },
];

const inFlight: typeof idle = [
  { name: 'database', open: connectedPair, options: scaled.database },
  { name: 'fastFailover over IPv6', open: () => connectedPair('::1'), options: scaled.fastFailover },
  { name: 'database over TLS', open: tlsPair, options: scaled.database },
  { name: 'fastFailover at its full length', open: connectedPair, options: presets.fastFailover },
];

describe.runIf(process.platform === 'linux')('a peer that vanished is noticed', { concurrent: true }, () => {
  test.for(idle)('idle: $name', async ({ open, options }, { onTestFinished }) => {
    const { client, server, close } = await open();
    onTestFinished(close);
    setKeepAlive(client, options);
    await exchange(client, server);
    vanish(client, server);
    await expectDropped(client, options, 'idle');
  });

  test.for(inFlight)('data in flight: $name', async ({ open, options }, { onTestFinished }) => {
    const { client, server, close } = await open();
    onTestFinished(close);
    setKeepAlive(client, options);
    await exchange(client, server);
    vanish(client, server);
    client.write('nobody hears this');
    await expectDropped(client, options, 'unacknowledged');
  });

  test('after a driver has set its own', async ({ expect, onTestFinished }) => {
    const { client, server, close } = await connectedPair();
    onTestFinished(close);
    keepAlive(client, scaled.database);
    client.setKeepAlive(true, 60_000);
    await exchange(client, server);
    vanish(client, server);
    await expectDropped(client, scaled.database, 'idle');
    expect(client.destroyed).toBe(true);
  });

  test('by the accepted end too', async ({ onTestFinished }) => {
    const { client, server, close } = await connectedPair();
    onTestFinished(close);
    setKeepAlive(server, scaled.database);
    await exchange(client, server);
    vanish(client, server);
    await expectDropped(server, scaled.database, 'idle');
  });

  test('and without options it is not', async ({ expect, onTestFinished }) => {
    const [watched, plain] = [await connectedPair(), await connectedPair()];
    onTestFinished(watched.close);
    onTestFinished(plain.close);
    setKeepAlive(watched.client, scaled.database);
    for (const { client, server } of [watched, plain]) {
      await exchange(client, server);
      vanish(client, server);
    }
    await once(watched.client, 'error');
    expect(plain.client.destroyed).toBe(false);
    expect(getTcpInfo(plain.client)).toMatchObject({ state: 'ESTABLISHED', probes: 0 });
  });

  test('a peer that answers is left alone', async ({ expect, onTestFinished }) => {
    const [vanished, alive] = [await connectedPair(), await connectedPair()];
    onTestFinished(vanished.close);
    onTestFinished(alive.close);
    for (const { client, server } of [vanished, alive]) {
      setKeepAlive(client, scaled.database);
      await exchange(client, server);
    }
    vanish(vanished.client, vanished.server);
    await once(vanished.client, 'error');
    // Its probes were answered meanwhile, after two seconds of silence each.
    const { state, probes, lastAckReceived = Infinity, lastDataReceived = 0 } = getTcpInfo(alive.client);
    expect({ state, probes }).toEqual({ state: 'ESTABLISHED', probes: 0 });
    expect(lastAckReceived).toBeLessThan(lastDataReceived);
  });
});

/** Lets both ends hear each other, and leaves nothing unacknowledged. */
async function exchange(client: net.Socket, server: net.Socket): Promise<void> {
  client.resume();
  server.resume();
  client.write('ping');
  await once(server, 'data');
  server.write('pong');
  await once(client, 'data');
  await acknowledged([client, server]);
}

async function expectDropped(socket: net.Socket, options: Options, state: 'idle' | 'unacknowledged') {
  const noticed = await expectDetection(once(socket, 'error'), options, { state, socket });
  expect(noticed).toMatchObject([{ code: 'ETIMEDOUT', syscall: 'read' }]);
}

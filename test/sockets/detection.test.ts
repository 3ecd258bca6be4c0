import { once } from 'node:events';
import type net from 'node:net';
import { getTcpInfo, keepAlive, type Preset, presets, setKeepAlive } from 'tcp-keepalive';
import { describe, expect, test, vi } from 'vitest';
import { predictDetection } from '../../src/predict/predict.ts';
import { connectedPair } from '../helpers/connected-pair.ts';
import { acknowledged, expectDetected, lastHeard } from '../helpers/detection.ts';
import { goDark } from '../helpers/go-dark.ts';
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
    goDark(client, server);
    const heard = lastHeard(client);
    const error = await dropped(client);
    expectDetected(predictDetection(options).idle, heard);
    expect(error).toMatchObject({ code: 'ETIMEDOUT', syscall: 'read' });
  });

  test.for(inFlight)('data in flight: $name', async ({ open, options }, { onTestFinished }) => {
    const { client, server, close } = await open();
    onTestFinished(close);
    setKeepAlive(client, options);
    await exchange(client, server);
    goDark(client, server);
    const { rto } = getTcpInfo(client);
    const written = performance.now();
    client.write('nobody hears this');
    const error = await dropped(client);
    expectDetected(predictDetection(options, { rto }).unacknowledged, written);
    expect(error).toMatchObject({ code: 'ETIMEDOUT', syscall: 'read' });
  });

  test('after a driver has set its own', async ({ expect, onTestFinished }) => {
    const { client, server, close } = await connectedPair();
    onTestFinished(close);
    keepAlive(client, scaled.database);
    client.setKeepAlive(true, 60_000);
    await exchange(client, server);
    goDark(client, server);
    const heard = lastHeard(client);
    await dropped(client);
    expectDetected(predictDetection(scaled.database).idle, heard);
    expect(client.destroyed).toBe(true);
  });

  test('by the accepted end too', async ({ onTestFinished }) => {
    const { client, server, close } = await connectedPair();
    onTestFinished(close);
    setKeepAlive(server, scaled.database);
    await exchange(client, server);
    goDark(client, server);
    const heard = lastHeard(server);
    await dropped(server);
    expectDetected(predictDetection(scaled.database).idle, heard);
  });

  test('and without options it is not', async ({ expect, onTestFinished }) => {
    const [watched, plain] = [await connectedPair(), await connectedPair()];
    onTestFinished(watched.close);
    onTestFinished(plain.close);
    setKeepAlive(watched.client, scaled.database);
    for (const { client, server } of [watched, plain]) {
      await exchange(client, server);
      goDark(client, server);
    }
    await dropped(watched.client);
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
    goDark(vanished.client, vanished.server);
    await dropped(vanished.client);
    // Its probes were answered meanwhile, after two seconds of silence each.
    const { state, probes, lastAckReceived, lastDataReceived } = getTcpInfo(alive.client);
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

async function dropped(socket: net.Socket): Promise<NodeJS.ErrnoException> {
  const [error] = await once(socket, 'error');
  return error;
}

import { once } from 'node:events';
import type net from 'node:net';
import * as amqplib from 'amqplib';
import { keepAliveAmqplib } from 'tcp-keepalive/amqplib';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  connectedSockets,
  errorOf,
  expectInTime,
  idleAMoment,
  only,
  proxyTo,
  quick,
  quickInKernel,
} from '../helpers/driver-under-test.ts';
import { startRabbitmqStub } from '../helpers/rabbitmq-stub.ts';
import { kernelValues } from '../helpers/raw-options.ts';

/** Of amqplib 2, which its separate types do not know yet. */
interface WithRecovery {
  recovery: { initialDelay: number };
}

describe('keepAliveAmqplib, with a stub of RabbitMQ that opens connections and channels', () => {
  test.for([
    { name: 'as it comes', own: {}, state: 'idle' },
    {
      name: 'with a delay of its own',
      own: { keepAlive: true, keepAliveDelay: 20_000 },
      state: 'unacknowledged',
    },
  ] as const)('$name: a vanished server is noticed in time, $state', async ({ own, state }) => {
    const proxy = await proxyTo({ port: await stubPort() });
    const opened = connectedSockets();
    const connection = await amqplib.connect(`amqp://127.0.0.1:${proxy.port}`, own);
    expect(keepAliveAmqplib(connection, quick)).toBe(connection);
    await connection.createChannel();
    await idleAMoment();
    const socket = only(opened.to(proxy.port));
    expect(kernelValues(socket)).toBe(quickInKernel);

    await proxy.vanish();
    let pending: Promise<unknown> = Promise.resolve();
    const [error] = await expectInTime(state, socket, () => {
      if (state === 'unacknowledged') pending = errorOf(connection.createChannel());
      return once(connection, 'error');
    });
    expect(error.code).toBe('ETIMEDOUT');
    await pending;
  });

  test('with recovery: the open connection, and the next', async () => {
    const port = await stubPort();
    const opened = connectedSockets();
    const options: WithRecovery = { recovery: { initialDelay: 1 } };
    const recovering = await amqplib.connect(`amqp://127.0.0.1:${port}`, options);
    recovering.on('error', () => {});
    onTestFinished(() => recovering.close());
    keepAliveAmqplib(recovering, quick);
    const first = only(opened.to(port));
    expect(kernelValues(first)).toBe(quickInKernel);
    const isBack = new Promise((resolve) => recovering.once('connect', resolve));
    first.destroy(new Error('lost'));
    await isBack;
    await idleAMoment();
    const next = opened.to(port).find((socket) => socket !== first) as net.Socket;
    expect(kernelValues(next)).toBe(quickInKernel);
  });

  test('a version without the private member, here a fake of it, goes on without', () => {
    const errors: Error[] = [];
    keepAliveAmqplib(unopened(), quick, { onError: (error) => errors.push(error) });
    expect(errors).toEqual([expect.objectContaining({ code: 'ERR_KEEPALIVE_NOT_TCP' })]);
  });
});

test('wrong options throw', () => {
  expect(() => keepAliveAmqplib(unopened(), { count: 0 })).toThrow(
    expect.objectContaining({ code: 'ERR_KEEPALIVE_INVALID_OPTION' }),
  );
});

function unopened() {
  return { connection: {}, createChannel() {}, on() {}, removeListener() {} };
}

async function stubPort(): Promise<number> {
  const stub = await startRabbitmqStub();
  onTestFinished(() => stub.close());
  return stub.port;
}

import { EventEmitter, once } from 'node:events';
import type net from 'node:net';
import type { ChannelModel } from 'amqplib';
import type { Redis } from 'ioredis';
import type { Kafka } from 'kafkajs';
import pg from 'pg';
import { expect, onTestFinished, test, vi } from 'vitest';
import { describeWithServer } from '../helpers/describe-with-server.ts';
import {
  connectedSockets,
  expectInTime,
  idleAMoment,
  proxyTo,
  quickInKernel,
} from '../helpers/driver-under-test.ts';
import { startKafkaStub } from '../helpers/kafka-stub.ts';
import { PATIENCE } from '../helpers/patience.ts';
import { startRabbitmqStub } from '../helpers/rabbitmq-stub.ts';
import { kernelValues } from '../helpers/raw-options.ts';
import { postgres } from '../helpers/start-postgres.ts';
import { redis } from '../helpers/start-redis.ts';
import { runProgram } from './program.ts';

// Each program of docs/guides/queues-and-subscribers.md is run as it stands there, against a server that vanishes.

const guide = 'queues-and-subscribers.md';

type Listen = (
  channel: string,
  heard: (payload: string) => void,
  caughtUp: () => Promise<void>,
  signal: AbortSignal,
) => Promise<void>;

describeWithServer('LISTEN', postgres, (server) => {
  test('a listener whose server vanishes while it waits listens again when that is back', async () => {
    const complained = vi.spyOn(console, 'error').mockImplementation(() => {});
    onTestFinished(() => void complained.mockRestore());
    const proxy = await proxyTo(server());
    const opened = connectedSockets();
    const { user, password, database } = server();
    const { listen } = await runProgram<{ listen: Listen }>(guide, 'PostgreSQL: LISTEN', {
      environment: { DATABASE_URL: `postgres://${user}:${password}@127.0.0.1:${proxy.port}/${database}` },
    });
    const events = new EventEmitter();
    const stop = new AbortController();
    const caughtUp = async () => void events.emit('caughtUp');
    const first = once(events, 'caughtUp');
    const listening = listen('news', (payload) => events.emit('heard', payload), caughtUp, stop.signal);
    await first;
    const [socket] = opened.to(proxy.port) as [net.Socket];
    await idleAMoment();
    expect(kernelValues(socket)).toBe(quickInKernel);

    await proxy.vanish();
    await expectInTime('idle', socket, () => new Promise((resolve) => socket.once('close', resolve)));
    const again = once(events, 'caughtUp');
    await proxy.restore();
    await again;
    const heard = once(events, 'heard');
    const other = new pg.Client({ ...server() });
    await other.connect();
    await other.query("NOTIFY news, 'hello'");
    expect(await heard).toEqual(['hello']);
    expect(complained).toHaveBeenCalledWith('the listener was lost:', 'read ETIMEDOUT');

    stop.abort();
    await listening;
    await other.end();
  });
});

describeWithServer('Redis: subscribe', redis, (server) => {
  test('a subscriber whose server vanishes while it waits subscribes again when that is back', async () => {
    const printed = vi.spyOn(console, 'log').mockImplementation(() => {});
    const complained = vi.spyOn(console, 'error').mockImplementation(() => {});
    onTestFinished(() => void vi.restoreAllMocks());
    const proxy = await proxyTo(server());
    const { subscriber } = await runProgram<{ subscriber: Redis }>(guide, 'Redis: subscribe', {
      environment: { REDIS_URL: `redis://:${server().password}@127.0.0.1:${proxy.port}` },
    });
    const publisher = subscriber.duplicate();
    onTestFinished(() => {
      subscriber.disconnect();
      publisher.disconnect();
    });
    publisher.on('error', () => {});
    await idleAMoment();
    const socket = subscriber.stream as net.Socket;
    expect(kernelValues(socket)).toBe(quickInKernel);

    await proxy.vanish();
    await expectInTime('idle', socket, () => new Promise((resolve) => socket.once('close', resolve)));
    expect(complained).toHaveBeenCalledWith('the subscriber was lost:', 'read ETIMEDOUT');
    await proxy.restore();
    await vi.waitFor(
      async () => {
        await publisher.publish('news', 'hello');
        expect(printed).toHaveBeenCalledWith('news', 'hello');
      },
      { timeout: PATIENCE },
    );
  });
});

test('RabbitMQ, with a stub: a connection on which nothing is in flight ends in time', async () => {
  const stub = await startRabbitmqStub();
  onTestFinished(() => stub.close());
  const exit = vi.spyOn(process, 'exit').mockImplementation(() => undefined as never);
  const complained = vi.spyOn(console, 'error').mockImplementation(() => {});
  onTestFinished(() => void vi.restoreAllMocks());
  const proxy = await proxyTo(stub);
  const opened = connectedSockets();
  const { connection } = await runProgram<{ connection: ChannelModel }>(guide, 'RabbitMQ', {
    environment: { AMQP_URL: `amqp://127.0.0.1:${proxy.port}` },
  });
  await idleAMoment();
  const [socket] = opened.to(proxy.port) as [net.Socket];
  expect(kernelValues(socket)).toBe(quickInKernel);

  await proxy.vanish();
  await expectInTime('idle', socket, () => new Promise((resolve) => connection.once('close', resolve)));
  expect(complained).toHaveBeenCalledWith('RabbitMQ was lost:', 'read ETIMEDOUT');
  expect(exit).toHaveBeenCalledWith(1);
});

test('Kafka, with a stub: its connections are held', async () => {
  const stub = await startKafkaStub();
  onTestFinished(() => stub.close());
  const opened = connectedSockets();
  const { kafka } = await runProgram<{ kafka: Kafka }>(guide, 'Kafka', {
    environment: { KAFKA_BROKERS: `127.0.0.1:${stub.port}` },
  });
  const admin = kafka.admin();
  await admin.connect();
  await idleAMoment();
  expect(new Set(opened.to(stub.port).map(kernelValues))).toEqual(new Set([quickInKernel]));
  await admin.disconnect();
});

import { type EventEmitter, once } from 'node:events';
import type net from 'node:net';
import type { FlowProducer, Queue, QueueEvents, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { createClient } from 'redis';
import { inspectKeepAlive } from 'tcp-keepalive';
import { keepAliveBullmq } from 'tcp-keepalive/bullmq';
import { keepAliveIoredis } from 'tcp-keepalive/ioredis';
import { expect, onTestFinished, test, vi } from 'vitest';
import { describeWhereInstalled, describeWithServer } from '../helpers/describe-with-server.ts';
import { driverPackage } from '../helpers/driver-package.ts';
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
import { PATIENCE } from '../helpers/patience.ts';
import { kernelValues } from '../helpers/raw-options.ts';
import { redis } from '../helpers/start-redis.ts';

type Bullmq = typeof import('bullmq');
type Target = Queue | Worker | QueueEvents | FlowProducer;
type Connection = { connection: { host: string; port: number; password: string } | Redis };

const kinds: { kind: string; connections: number; make(bullmq: Bullmq, options: Connection): Target }[] = [
  { kind: 'a Queue', connections: 1, make: ({ Queue }, options) => new Queue('mail', options) },
  {
    kind: 'a Worker, with the connection on which it waits for jobs',
    connections: 2,
    make: ({ Worker }, options) => new Worker('mail', async () => 'sent', options),
  },
  {
    kind: 'QueueEvents',
    connections: 1,
    make: ({ QueueEvents }, options) => new QueueEvents('mail', options),
  },
  { kind: 'a FlowProducer', connections: 1, make: ({ FlowProducer }, options) => new FlowProducer(options) },
];

describeWhereInstalled('keepAliveBullmq', driverPackage('bullmq'), () => {
  describeWithServer('with Redis', redis, (server) => {
    const load = (): Promise<Bullmq> => import('bullmq');
    const connectionTo = (port = server().port) => {
      const { host, password } = server();
      return { connection: { host, port, password } };
    };

    test.each(kinds)('$kind: held, and again when it reconnects', async ({ connections, make }) => {
      const opened = connectedSockets();
      const target = untilFinished(make(await load(), connectionTo()));
      expect(keepAliveBullmq(target, quick)).toBe(target);
      await target.waitUntilReady();
      for (let connection = 0; connection < 2; connection++) {
        const sockets = await vi.waitFor(
          () => {
            const open = opened.to(server().port).filter((socket) => !socket.destroyed);
            expect(open.map(kernelValues)).toEqual(Array(connections).fill(quickInKernel));
            return open;
          },
          { timeout: PATIENCE },
        );
        await idleAMoment();
        expect(sockets.map(kernelValues)).toEqual(Array(connections).fill(quickInKernel));
        expect(inspectKeepAlive(target)).toHaveLength(connections);
        for (const socket of sockets) socket.destroy();
      }
    });

    test('what is open gets the options of the last call', async () => {
      const opened = connectedSockets();
      const { Worker } = await load();
      const worker = untilFinished(new Worker('mail', async () => 'sent', connectionTo()));
      await worker.waitUntilReady();
      keepAliveBullmq(worker, quick);
      keepAliveBullmq(worker, { ...quick, count: 5 });
      await idleAMoment();
      expect(opened.to(server().port).map(kernelValues)).toEqual(['1:1/1/5 5500', '1:1/1/5 5500']);
    });

    test.each(kinds)(
      "$kind, given a client of keepAliveIoredis: BullMQ's duplicates of it too",
      async ({ make }) => {
        const opened = connectedSockets();
        const { connection } = connectionTo();
        const client = new Redis({ ...connection, maxRetriesPerRequest: null });
        onTestFinished(() => client.disconnect());
        const target = untilFinished(make(await load(), { connection: keepAliveIoredis(client, quick) }));
        await target.waitUntilReady();
        await idleAMoment();
        expect(new Set(opened.to(server().port).map(kernelValues))).toEqual(new Set([quickInKernel]));
      },
    );

    test('a worker that waits for jobs notices a vanished server in time, and works on when it is back', async () => {
      const proxy = await proxyTo(server());
      const { Queue, Worker } = await load();
      const opened = connectedSockets();
      const worker = untilFinished(new Worker('mail', async () => 'sent', connectionTo(proxy.port)));
      keepAliveBullmq(worker, quick);
      await worker.waitUntilReady();
      await idleAMoment();
      const [socket] = opened.to(proxy.port);
      await proxy.vanish();
      const [error] = await expectInTime('idle', socket as net.Socket, () => once(worker, 'error'));
      expect(error).toMatchObject({ code: 'ETIMEDOUT' });

      await proxy.restore();
      // Both connections are lost, and `once` would reject at the other one's error.
      const completed = new Promise((resolve) => worker.on('completed', (_job, result) => resolve(result)));
      const queue = untilFinished(new Queue('mail', connectionTo()));
      await queue.add('hello', {});
      expect(await completed).toBe('sent');
    });

    test('a queue with a command in flight notices a vanished server in time', async () => {
      const proxy = await proxyTo(server());
      const { Queue } = await load();
      const opened = connectedSockets();
      const queue = keepAliveBullmq(untilFinished(new Queue('mail', connectionTo(proxy.port))), quick);
      await queue.add('hello', {});
      await idleAMoment();
      await proxy.vanish();
      const [error] = await expectInTime('unacknowledged', only(opened.to(proxy.port)), () => {
        const failed = once(queue, 'error');
        void errorOf(queue.add('hello', {}));
        return failed;
      });
      expect(error).toMatchObject({ code: 'ETIMEDOUT' });
    });

    test('a client of node-redis works on, and that it has none is reported', async () => {
      const { host, port, password } = server();
      const { Queue } = await load();
      const client = await createClient({ socket: { host, port }, password }).connect();
      onTestFinished(() => client.destroy());
      const queue = new Queue('mail', { connection: client as never });
      const errors: Error[] = [];
      keepAliveBullmq(queue, quick, { onError: (error) => errors.push(error) });
      await queue.waitUntilReady();
      await vi.waitFor(() => expect(errors).toHaveLength(1));
      expect(errors[0]).toMatchObject({
        code: 'ERR_KEEPALIVE_NOT_TCP',
        message: expect.stringContaining('installKeepAlive'),
      });
    });

    test('wrong options are refused', async () => {
      const { Queue } = await load();
      const queue = untilFinished(new Queue('mail', connectionTo()));
      expect(() => keepAliveBullmq(queue, { userTimeout: 30 })).toThrow(
        expect.objectContaining({ code: 'ERR_KEEPALIVE_INVALID_OPTION' }),
      );
      await queue.waitUntilReady();
    });
  });
});

/** Ends it with its connections, also while its server is gone. */
function untilFinished<T extends Target>(target: T): T {
  (target as EventEmitter).on('error', () => {});
  onTestFinished(async () => {
    if ('processJob' in target) await (target as Worker).close(true);
    else await target.disconnect();
  });
  return target;
}

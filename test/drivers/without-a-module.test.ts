import { createRequire } from 'node:module';
import type net from 'node:net';
import { pathToFileURL } from 'node:url';
import type { MongoClient } from 'mongodb';
import type { createClient } from 'redis';
import { installKeepAlive } from 'tcp-keepalive';
import { expect, onTestFinished, test } from 'vitest';
import { describeWhereInstalled, describeWithServer } from '../helpers/describe-with-server.ts';
import { driverPackage } from '../helpers/driver-package.ts';
import {
  connectedSockets,
  errorOf,
  expectInTime,
  idleAMoment,
  proxyTo,
  quick,
  quickInKernel,
} from '../helpers/driver-under-test.ts';
import { startMongodbStub } from '../helpers/mongodb-stub.ts';
import { kernelValues } from '../helpers/raw-options.ts';
import { redis } from '../helpers/start-redis.ts';

// These drivers give their sockets to nobody, so that they have a rule instead of a module.

type Redis = { createClient: typeof createClient };

const newest = {
  missing: () => undefined,
  url: () => pathToFileURL(createRequire(import.meta.url).resolve('redis')).href,
};

describeWithServer('a rule reaches the sockets of node-redis', redis, (server) => {
  for (const { version, from } of [
    { version: 6, from: newest },
    { version: 5, from: driverPackage('redis-5') },
    { version: 4, from: driverPackage('redis-4') },
  ]) {
    describeWhereInstalled(`version ${version}`, from, () => {
      test('held through commands, reconnecting and in a duplicate; a vanished server is noticed in time', async () => {
        const { host, password } = server();
        const proxy = await proxyTo(server());
        const { port } = proxy;
        onTestFinished(installKeepAlive([{ side: 'client', port, use: quick }]));
        const opened = connectedSockets();
        const open = () => opened.to(port).filter((socket) => !socket.destroyed);
        const module = (await import(from.url())) as Redis & { default: Redis };
        const client = (module.default ?? module).createClient({ socket: { host, port }, password });
        const duplicate = client.duplicate();
        for (const each of [client, duplicate]) {
          each.on('error', () => {});
          onTestFinished(() =>
            'destroy' in each ? each.destroy() : (each as { disconnect(): void }).disconnect(),
          );
          await each.connect();
        }
        for (let connection = 0; connection < 2; connection++) {
          await Promise.all([client.ping(), duplicate.ping()]);
          await idleAMoment();
          expect(open().map(kernelValues)).toEqual([quickInKernel, quickInKernel]);
          if (connection === 0) for (const socket of open()) socket.destroy(new Error('lost'));
          await idleAMoment();
        }

        await proxy.vanish();
        const error = await expectInTime(
          'idle',
          open()[0] as net.Socket,
          () => new Promise<NodeJS.ErrnoException>((resolve) => client.once('error', resolve)),
        );
        expect(error.code).toBe('ETIMEDOUT');
      });
    });
  }
});

for (const name of ['mongodb', 'mongodb-6']) {
  describeWhereInstalled(
    `a rule reaches the sockets of ${name}, with a stub of MongoDB`,
    driverPackage(name),
    () => {
      test('its pool and its monitors are held; a vanished server is noticed in time', async () => {
        const proxy = await proxyTo({ port: await startMongodbStub() });
        const { port } = proxy;
        onTestFinished(installKeepAlive([{ side: 'client', port, use: quick }]));
        const opened = connectedSockets();
        const module = await import(driverPackage(name).url());
        const client: MongoClient = new (module.default ?? module).MongoClient(
          `mongodb://127.0.0.1:${port}`,
          {
            retryReads: false,
          },
        );
        onTestFinished(() => client.close());
        await client.db('test').command({ ping: 1 });
        await idleAMoment();
        const sockets = opened.to(port);
        expect(sockets.length).toBeGreaterThan(1);
        expect(new Set(sockets.map(kernelValues))).toEqual(new Set([quickInKernel]));

        await proxy.vanish();
        const error = await expectInTime('unacknowledged', sockets.at(-1) as net.Socket, () =>
          errorOf(client.db('test').command({ ping: 1 })),
        );
        expect(String(error)).toContain('ETIMEDOUT');
      });
    },
  );
}

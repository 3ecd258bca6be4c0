import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import { Kafka, type KafkaConfig, logLevel } from 'kafkajs';
import { type KafkaSocketFactory, keepAliveKafkajs } from 'tcp-keepalive/kafkajs';
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
import { startKafkaStub } from '../helpers/kafka-stub.ts';
import { kernelValues } from '../helpers/raw-options.ts';
import { certificate, certificateKey } from '../helpers/test-certificate.ts';

describe('keepAliveKafkajs, with a stub of Kafka that tells its versions and brokers', () => {
  test.for(['idle', 'unacknowledged'] as const)('a vanished broker is noticed in time: %s', async (state) => {
    const stub = await stubForTest();
    const proxy = await proxyTo(stub);
    stub.advertisedPort = proxy.port;
    const opened = connectedSockets();
    const admin = adminOf(keepAliveKafkajs(configOf(proxy.port), quick));
    await admin.connect();
    await admin.describeCluster();
    await idleAMoment();
    await admin.describeCluster();
    const socket = only(opened.to(proxy.port));
    expect(kernelValues(socket)).toBe(quickInKernel);

    stub.answers = false;
    const waiting = state === 'idle' ? errorOf(admin.describeCluster()) : undefined;
    await idleAMoment();
    await proxy.vanish();
    const error = await expectInTime(state, socket, () => waiting ?? errorOf(admin.describeCluster()));
    expect(error.message).toContain('ETIMEDOUT');
  });

  test.each([
    { host: 'localhost', servername: 'localhost' },
    { host: '127.0.0.1', servername: false },
  ])('TLS to $host: held, and the server is told the name', async ({ host, servername }) => {
    const { port, accepted } = await withTls(await stubForTest());
    const opened = connectedSockets();
    const config = { ...configOf(port), brokers: [`${host}:${port}`], ssl: { ca: certificate } };
    await adminOf(keepAliveKafkajs(config, quick)).connect();
    await idleAMoment();
    expect(kernelValues(only(opened.to(port)))).toBe(quickInKernel);
    expect(only(accepted).servername).toBe(servername);
  });

  test("the caller's own socket factory is called, and its configuration is left as it was", async () => {
    const { port } = await stubForTest();
    const made: net.Socket[] = [];
    const own: KafkaSocketFactory = ({ onConnect }) => {
      const socket = net.connect(port, '127.0.0.1', onConnect);
      made.push(socket);
      return socket;
    };
    const config = Object.freeze({ ...configOf(1), socketFactory: own });
    const admin = adminOf(keepAliveKafkajs(config, quick));
    await admin.connect();
    await idleAMoment();
    expect(config.socketFactory).toBe(own);
    expect(kernelValues(only(made))).toBe(quickInKernel);
  });
});

test('wrong options throw', () => {
  expect(() => keepAliveKafkajs({ brokers: [] }, { count: 200 })).toThrow(
    expect.objectContaining({ code: 'ERR_KEEPALIVE_INVALID_OPTION' }),
  );
});

async function stubForTest() {
  const stub = await startKafkaStub();
  onTestFinished(() => stub.close());
  return stub;
}

/** TLS in front of a server. */
async function withTls(target: { port: number }): Promise<{ port: number; accepted: tls.TLSSocket[] }> {
  const accepted: tls.TLSSocket[] = [];
  const server = tls.createServer({ cert: certificate, key: certificateKey }, (socket) => {
    accepted.push(socket);
    const upstream = net.connect(target.port, '127.0.0.1');
    for (const end of [socket, upstream]) end.on('error', () => {});
    socket.pipe(upstream).pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    for (const socket of accepted) socket.destroy();
    server.close();
  });
  return { port: (server.address() as net.AddressInfo).port, accepted };
}

function configOf(port: number): KafkaConfig {
  return { brokers: [`127.0.0.1:${port}`], retry: { retries: 0 }, logLevel: logLevel.NOTHING };
}

function adminOf(config: KafkaConfig) {
  const admin = new Kafka(config).admin();
  onTestFinished(() => admin.disconnect());
  return admin;
}

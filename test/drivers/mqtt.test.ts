import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import tls from 'node:tls';
import { Aedes } from 'aedes';
import mqtt from 'mqtt';
import { keepAliveHttp } from 'tcp-keepalive/http';
import { keepAliveMqtt } from 'tcp-keepalive/mqtt';
import { expect, onTestFinished, test } from 'vitest';
import { WebSocketServer } from 'ws';
import {
  connectedSockets,
  expectInTime,
  idleAMoment,
  only,
  proxyTo,
  quick,
  quickInKernel,
} from '../helpers/driver-under-test.ts';
import { kernelValues } from '../helpers/raw-options.ts';
import { certificate, certificateKey } from '../helpers/test-certificate.ts';

test.for([
  { protocol: 'mqtt', when: 'while it connects', isOpen: false, state: 'idle' },
  { protocol: 'mqtt', when: 'once it is open', isOpen: true, state: 'unacknowledged' },
  { protocol: 'mqtts', when: 'while it connects', isOpen: false, state: 'idle' },
] as const)('$protocol, called $when: a vanished broker is noticed in time, $state', async (row) => {
  const broker = await Aedes.createBroker();
  const server =
    row.protocol === 'mqtt'
      ? net.createServer(broker.handle)
      : tls.createServer({ cert: certificate, key: certificateKey }, broker.handle);
  const proxy = await proxyTo({ port: await listening(server, broker) });
  const opened = connectedSockets();
  const client = newClient(`${row.protocol}://127.0.0.1:${proxy.port}`);
  if (row.isOpen) await next(client, 'connect');
  expect(keepAliveMqtt(client, quick)).toBe(client);
  if (!row.isOpen) await next(client, 'connect');
  await client.publishAsync('topic', 'message', { qos: 1 });
  await idleAMoment();
  const socket = only(opened.to(proxy.port));
  expect(kernelValues(socket)).toBe(quickInKernel);

  await proxy.vanish();
  const error = await expectInTime(row.state, socket, () => {
    if (row.state === 'unacknowledged') client.publish('topic', 'nobody hears this');
    return next(client, 'error');
  });
  expect(error).toMatchObject({ code: 'ETIMEDOUT' });
});

test('held again when it has reconnected', async () => {
  const broker = await Aedes.createBroker();
  const port = await listening(net.createServer(broker.handle), broker);
  const opened = connectedSockets();
  const client = keepAliveMqtt(newClient(`mqtt://127.0.0.1:${port}`, 1), quick);
  await next(client, 'connect');
  const first = only(opened.to(port));
  const isBack = next(client, 'connect');
  first.destroy();
  await isBack;
  await idleAMoment();
  const second = opened.to(port).find((socket) => socket !== first) as net.Socket;
  expect(kernelValues(second)).toBe(quickInKernel);
});

test('over WebSockets: reported, and covered by an agent', async () => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  onTestFinished(() => {
    for (const socket of server.clients) socket.terminate();
    server.close();
  });
  const { port } = server.address() as net.AddressInfo;
  const opened = connectedSockets();
  const agent = keepAliveHttp(new http.Agent(), quick);
  const errors: Error[] = [];
  const client = newClient(`ws://127.0.0.1:${port}`, 0, { agent });
  keepAliveMqtt(client, quick, { onError: (error) => errors.push(error) });
  await once(server, 'connection');
  expect(errors[0]).toMatchObject({ code: 'ERR_KEEPALIVE_NOT_TCP' });
  expect(kernelValues(only(opened.to(port)))).toBe(quickInKernel);
});

test('wrong options leave the client as it was', () => {
  const client = mqtt.connect({ manualConnect: true });
  const listeners = client.listenerCount('connect');
  expect(() => keepAliveMqtt(client, { count: 0 })).toThrow(
    expect.objectContaining({ code: 'ERR_KEEPALIVE_INVALID_OPTION' }),
  );
  expect(client.listenerCount('connect')).toBe(listeners);
});

async function listening(server: net.Server, broker: Aedes): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    broker.close();
    server.close();
  });
  return (server.address() as net.AddressInfo).port;
}

function newClient(url: string, reconnectPeriod = 0, wsOptions: object = {}): mqtt.MqttClient {
  const client = mqtt.connect(url, { ca: certificate, reconnectPeriod, wsOptions });
  client.on('error', () => {});
  onTestFinished(() => client.endAsync(true));
  return client;
}

function next(client: mqtt.MqttClient, event: 'connect' | 'error'): Promise<unknown> {
  return new Promise((resolve) => client.once(event, resolve));
}

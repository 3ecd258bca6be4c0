import { EventEmitter, once } from 'node:events';
import net from 'node:net';
import ssh2 from 'ssh2';
import { keepAlive } from 'tcp-keepalive';
import { keepAliveSsh2 } from 'tcp-keepalive/ssh2';
import { vanish } from 'tcp-keepalive/testing';
import { expect, onTestFinished, test, vi } from 'vitest';
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
import { kernelValues } from '../helpers/raw-options.ts';

const hostKey = ssh2.utils.generateKeyPairSync('ed25519').private;

test.for(['idle', 'unacknowledged'] as const)(
  'a client: a vanished server is noticed in time, %s',
  async (state) => {
    const proxy = await proxyTo({ port: await listening(newServer()) });
    const opened = connectedSockets();
    const client = newClient();
    expect(keepAliveSsh2(client, quick)).toBe(client);
    client.connect({ host: '127.0.0.1', port: proxy.port, username: 'someone' });
    await once(client, 'ready');
    expect(await output(client)).toBe('here');
    await idleAMoment();
    const socket = only(opened.to(proxy.port));
    expect(kernelValues(socket)).toBe(quickInKernel);

    await proxy.vanish();
    const [error] = await expectInTime(state, socket, () => {
      if (state === 'unacknowledged') client.exec('whatever', () => {});
      return once(client, 'error');
    });
    expect(error.code).toBe('ETIMEDOUT');
  },
);

test('a client that is connected already, and when it connects again', async () => {
  const port = await listening(newServer());
  const opened = connectedSockets();
  const client = newClient();
  const config = { host: '127.0.0.1', port, username: 'someone' };
  client.connect(config);
  await once(client, 'ready');
  keepAliveSsh2(client, quick);
  const first = only(opened.to(port));
  expect(kernelValues(first)).toBe(quickInKernel);
  client.end();
  await once(client, 'close');

  client.connect(config);
  await once(client, 'ready');
  const next = opened.to(port).find((socket) => socket !== first) as net.Socket;
  expect(kernelValues(next)).toBe(quickInKernel);
});

test("a socket of the caller's own, without this module", async () => {
  const port = await listening(newServer());
  const socket = keepAlive(net.connect(port, '127.0.0.1'), quick);
  const client = newClient();
  client.connect({ sock: socket, username: 'someone' });
  await once(client, 'ready');
  expect(await output(client)).toBe('here');
  expect(kernelValues(socket)).toBe(quickInKernel);
});

test('a server: a vanished client is noticed in time', async () => {
  const server = newServer();
  expect(keepAliveSsh2(server, quick)).toBe(server);
  const accepted = once(server, 'connection') as Promise<[ssh2.Connection]>;
  const port = await listening(server);
  const opened = connectedSockets();
  const client = newClient();
  client.connect({ host: '127.0.0.1', port, username: 'someone' });
  await once(client, 'ready');
  const [connection] = await accepted;
  const socket = (connection as unknown as { _sock: net.Socket })._sock;
  await idleAMoment();
  expect(kernelValues(socket)).toBe(quickInKernel);

  vanish(only(opened.to(port)));
  const [error] = await expectInTime('idle', socket, () => once(connection, 'error'));
  expect(error.code).toBe('ETIMEDOUT');
});

test('a refused connection fails as without', async () => {
  const closed = net.createServer().listen(0, '127.0.0.1');
  await once(closed, 'listening');
  const { port } = closed.address() as net.AddressInfo;
  closed.close();
  const client = keepAliveSsh2(newClient(), quick);
  client.connect({ host: '127.0.0.1', port, username: 'someone' });
  expect(await errorOf(once(client, 'ready'))).toMatchObject({ code: 'ECONNREFUSED' });
});

test.each([
  {
    target: 'a client',
    members: ['connect', 'sftp'],
    connect: (client: EventEmitter) => (client as EventEmitter & { connect(): void }).connect(),
  },
  {
    target: "a server's connection",
    members: ['listen', 'injectSocket'],
    connect: (server: EventEmitter) => server.emit('connection', {}),
  },
])('$target that shows no socket, here a fake of one, is reported', ({ members, connect }) => {
  const onError = vi.fn();
  const target = new EventEmitter();
  for (const member of members) Object.assign(target, { [member]() {} });
  keepAliveSsh2(target as never, quick, { onError });
  expect(onError).not.toHaveBeenCalled();
  connect(target);
  expect(onError).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ code: 'ERR_KEEPALIVE_NOT_TCP' }));
});

test('wrong options leave the client as it was', () => {
  const client = new ssh2.Client();
  expect(() => keepAliveSsh2(client, { count: 0 })).toThrow(
    expect.objectContaining({ code: 'ERR_KEEPALIVE_INVALID_OPTION' }),
  );
  expect(client.listenerCount('connect')).toBe(0);
});

/** Lets everyone in, and answers every command with `here`. */
function newServer(): ssh2.Server {
  const connections: ssh2.Connection[] = [];
  const server = new ssh2.Server({ hostKeys: [hostKey] }, (connection) => {
    connections.push(connection);
    connection.on('error', () => {});
    connection.on('authentication', (context) => context.accept());
    connection.on('session', (accept) => {
      accept().on('exec', (acceptCommand) => {
        const channel = acceptCommand();
        channel.exit(0);
        channel.end('here');
      });
    });
  });
  onTestFinished(() => {
    for (const connection of connections) connection.end();
    server.close();
  });
  return server;
}

async function listening(server: ssh2.Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as net.AddressInfo).port;
}

function newClient(): ssh2.Client {
  const client = new ssh2.Client();
  client.on('error', () => {});
  onTestFinished(() => void client.destroy());
  return client;
}

function output(client: ssh2.Client): Promise<string> {
  return new Promise((resolve, reject) => {
    client.exec('whatever', (error, channel) => {
      if (error) reject(error);
      else channel.once('data', (data: Buffer) => resolve(String(data)));
    });
  });
}

import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import tls from 'node:tls';
import { keepAlive } from 'tcp-keepalive';
import { vanish } from 'tcp-keepalive/testing';
import { describe, expect, onTestFinished, test } from 'vitest';
import { handleOf } from '../../helpers/handle-of.ts';
import { databaseInKernel, driverInKernel, soonAfter } from '../../helpers/hold-parts.ts';
import { listen } from '../../helpers/listen.ts';
import { kernelValues } from '../../helpers/raw-options.ts';
import { runFixture } from '../../helpers/run-fixture.ts';
import { certificate, certificateKey } from '../../helpers/test-certificate.ts';

const credentials = { cert: certificate, key: certificateKey };

const bothFamilies: net.TcpNetConnectOpts['lookup'] = (_host, _options, callback) => {
  const addresses = [
    { address: '::1', family: 6 },
    { address: '127.0.0.1', family: 4 },
  ];
  (callback as (error: null, found: typeof addresses) => void)(null, addresses);
};

/** Connects by name, IPv6 first, as Happy Eyeballs does. */
function connectByName(port: number, secure: boolean): net.Socket {
  const options = { host: 'name.test', port, lookup: bothFamilies, autoSelectFamily: true };
  const socket = secure
    ? tls.connect({ ...options, ca: certificate, servername: 'localhost' })
    : net.connect(options);
  onTestFinished(() => void socket.destroy());
  return socket;
}

describe.runIf(process.platform === 'linux')('a hold outlasts', () => {
  describe.each([
    { agentOf: 'http', secure: false },
    { agentOf: 'https', secure: true },
  ])('a keep-alive $agentOf.Agent', ({ secure }) => {
    async function setUp() {
      const answer: http.RequestListener = (_request, response) => void response.end('ok');
      const server = secure ? https.createServer(credentials, answer) : http.createServer(answer);
      const port = await listen(server);
      const agent = secure
        ? new https.Agent({ keepAlive: true, keepAliveMsecs: 33_000, ca: certificate })
        : new http.Agent({ keepAlive: true, keepAliveMsecs: 33_000 });
      onTestFinished(() => agent.destroy());
      return (onSocket: (socket: net.Socket) => void) => exchange(port, agent, onSocket, secure);
    }

    test('that frees and reuses the socket', async () => {
      const request = await setUp();
      const unheld = await request(() => {});
      expect(kernelValues(unheld)).toBe(`${driverInKernel} 0`);
      keepAlive(unheld, 'database');
      for (let i = 0; i < 3; i++) {
        expect(await request(() => {})).toBe(unheld);
        expect(kernelValues(unheld)).toBe(databaseInKernel);
      }
    });

    test('and a client that sets its own on every request', async () => {
      const request = await setUp();
      const socket = await request((first) => keepAlive(first, 'database'));
      for (let i = 0; i < 3; i++) {
        await request((reused) => reused.setKeepAlive(true, 60_000 + i * 1_000));
        expect(kernelValues(socket)).toBe(databaseInKernel);
      }
    });
  });

  describe.each([{ secure: false }, { secure: true }])('Happy Eyeballs (TLS: $secure)', ({ secure }) => {
    const create = () => (secure ? tls.createServer(credentials) : net.createServer());

    test('where the first address refuses', async () => {
      const socket = keepAlive(connectByName(await listen(create()), secure), 'database');
      await once(socket, 'connect');
      expect(socket.remoteAddress).toBe('127.0.0.1');
      expect(kernelValues(socket)).toBe(databaseInKernel);
      handleOf(socket).setKeepAlive(true, 33);
      expect(kernelValues(socket)).toBe(databaseInKernel);
    });

    test('where the first address swallows the SYN', async () => {
      const port = await listen(create());
      const silent = net.createServer();
      await listen(silent, port, '::1');
      vanish(silent);
      const socket = connectByName(port, secure);
      // On the handle of the first attempt, which is then given up.
      process.nextTick(() => keepAlive(socket, 'database'));
      await once(socket, 'connect');
      expect(socket.remoteAddress).toBe('127.0.0.1');
      expect(kernelValues(socket)).toBe(databaseInKernel);
      handleOf(socket).setKeepAlive(true, 33);
      expect(kernelValues(socket)).toBe(databaseInKernel);
    });
  });

  test('TLS started on a connection that is open (STARTTLS)', async () => {
    const secureServer = tls.createServer(credentials);
    const server = net.createServer((socket) => {
      socket.once('data', () => {
        socket.write('go ahead');
        secureServer.emit('connection', socket);
      });
    });
    const plain = net.connect(await listen(server), '127.0.0.1');
    keepAlive(plain, 'database');
    plain.write('STARTTLS');
    await once(plain, 'data');

    const secure = tls.connect({ socket: plain, ca: certificate, servername: 'localhost' });
    onTestFinished(() => void secure.destroy());
    await once(secure, 'secureConnect');
    secure.setKeepAlive(true, 33_000);
    expect(kernelValues(secure)).toBe(databaseInKernel);
    plain.setKeepAlive(true, 34_000);
    expect(kernelValues(secure)).toBe(databaseInKernel);
    keepAlive(secure, false);
    plain.setKeepAlive(true, 35_000);
    expect(kernelValues(secure)).toBe('1:35/1/10 24500');
  });

  test('TLS started while the socket underneath connects', async () => {
    const port = await listen(tls.createServer(credentials));
    const under = keepAlive(net.connect(port, '127.0.0.1'), 'database');
    const over = tls.connect({ socket: under, ca: certificate, servername: 'localhost' });
    onTestFinished(() => void over.destroy());
    over.on('connect', () => over.setKeepAlive(true, 33_000));
    await once(over, 'secureConnect');
    await soonAfter();
    expect(kernelValues(under)).toBe(databaseInKernel);
  });

  test('the options that net.connect takes', async () => {
    const port = await listen(net.createServer());
    const socket = net.connect({
      port,
      host: '127.0.0.1',
      keepAlive: true,
      keepAliveInitialDelay: 33_000,
    });
    onTestFinished(() => void socket.destroy());
    keepAlive(socket, 'database');
    await once(socket, 'connect');
    expect(kernelValues(socket)).toBe(databaseInKernel);
  });

  test('a worker thread’s own drivers', async () => {
    expect(await runFixture('hold-in-worker.ts')).toEqual({ held: databaseInKernel });
  });
});

/** One request, and the socket it went over once the agent has it back. */
async function exchange(
  port: number,
  agent: http.Agent,
  onSocket: (socket: net.Socket) => void,
  secure: boolean,
): Promise<net.Socket> {
  const { get } = secure ? https : http;
  const request = get({ port, host: '127.0.0.1', servername: 'localhost', agent } as https.RequestOptions);
  request.once('socket', onSocket);
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  const { socket } = response;
  const freed = once(agent, 'free');
  response.resume();
  await freed;
  return socket;
}

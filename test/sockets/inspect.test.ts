import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import { Kafka } from 'kafkajs';
import mqtt from 'mqtt';
import pg from 'pg';
import postgres from 'postgres';
import ssh2 from 'ssh2';
import {
  getKeepAlive,
  inspectKeepAlive,
  installKeepAlive,
  keepAlive,
  keepAliveFor,
  keepAliveServer,
  predictDetection,
  setKeepAlive,
} from 'tcp-keepalive';
import { keepAliveHttp } from 'tcp-keepalive/http';
import { vanish } from 'tcp-keepalive/testing';
import { Agent } from 'undici';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { WebSocketServer } from 'ws';
import { parseKeepAliveOptions } from '../../src/options/parse.ts';
import type { DetectionWindow } from '../../src/predict/window.ts';
import { SOCKETS } from '../../src/sockets/hold-record.ts';
import { listedSockets, listSocket, newSocketList } from '../../src/sockets/socket-list.ts';
import { connection, pair } from '../helpers/connection.ts';
import { acknowledged } from '../helpers/detection.ts';
import { accept, listen } from '../helpers/listen.ts';
import { writeRaw } from '../helpers/raw-options.ts';

const database = parseKeepAliveOptions('database');

/** The options of a preset that the kernel does not round to its own ticks. */
function inKernel(preset: 'database' | 'fastFailover') {
  const { maxRetransmitInterval: _rounded, ...options } = parseKeepAliveOptions(preset);
  return options;
}

describe.runIf(process.platform === 'linux')('a socket', () => {
  test('tells its options, its state, and what will happen', async () => {
    const { client, server } = await pair();
    keepAlive(client, 'database');
    await acknowledged([client, server]);
    const [found, ...others] = inspectKeepAlive(client);
    expect(others).toEqual([]);
    expect(found).toMatchObject({
      kind: 'connection',
      local: { address: '127.0.0.1', port: client.localPort },
      peer: { address: '127.0.0.1', port: client.remotePort },
      by: { rank: 'explicit', name: 'keepAlive' },
      held: database,
      options: getKeepAlive(client),
      tcpInfo: { state: 'ESTABLISHED', probes: 0 },
      state: 'idle',
    });
    const { idle } = predictDetection('database');
    expect(found?.detection?.idle).toEqual(idle);
    expect(found?.lostIn?.nominal).toBeLessThanOrEqual(idle.nominal);
    expect(found?.lostIn?.nominal).toBeGreaterThan(idle.nominal - 5_000);
  });

  test('of whose data nothing is heard: when it is lost is known better and better', async () => {
    const { client, server } = await pair();
    setKeepAlive(client, 'fastFailover');
    await acknowledged([client, server]);
    vanish(client, server);
    const written = performance.now();
    client.write('nobody hears this');
    await vi.waitUntil(() => (inspectKeepAlive(client)[0]?.tcpInfo?.retransmits ?? 0) >= 3, 10_000);
    const [found] = inspectKeepAlive(client);
    const elapsed = performance.now() - written;
    const { earliest, latest } = predictDetection('fastFailover').unacknowledged;
    expect(found?.state).toBe('unacknowledged');
    // The two limits hold what is left in truth.
    expect(found?.lostIn?.earliest).toBeLessThanOrEqual(latest - elapsed);
    expect(found?.lostIn?.latest).toBeGreaterThanOrEqual(earliest - elapsed);
    expect(found?.lostIn?.latest).toBeLessThan(latest);
  });

  test.each([
    {
      who: 'a library',
      hold: (socket: net.Socket) => void keepAliveFor('my-client', socket, 'database'),
      by: { rank: 'library', name: 'my-client' },
      held: database,
    },
    {
      who: 'setKeepAlive, which holds nothing',
      hold: (socket: net.Socket) => void setKeepAlive(socket, 'database'),
      by: { rank: 'explicit', name: 'setKeepAlive' },
      held: undefined,
    },
    { who: 'nobody', hold: () => {}, by: undefined, held: undefined },
    {
      who: 'nobody any more',
      hold: (socket: net.Socket) => void keepAlive(keepAlive(socket, 'database'), false),
      by: undefined,
      held: undefined,
    },
  ])('tells who holds it: $who', async ({ hold, by, held }) => {
    const socket = await connection();
    hold(socket);
    const [found] = inspectKeepAlive(socket);
    expect(found?.by).toEqual(by);
    expect(found?.held).toEqual(held);
  });

  test('tells the rule', async () => {
    const port = await listen(net.createServer((socket) => socket.resume()));
    onTestFinished(installKeepAlive([{ side: 'client', port, use: 'database' }]));
    const socket = net.connect(port, '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    await once(socket, 'connect');
    expect(inspectKeepAlive(socket)).toMatchObject([{ by: { rank: 'rule', name: `${port}=database` } }]);
  });

  test('that is not connected says so', () => {
    const socket = keepAlive(new net.Socket(), 'database');
    expect(inspectKeepAlive(socket)).toMatchObject([
      { held: database, error: { code: 'ERR_KEEPALIVE_NOT_CONNECTED' } },
    ]);
  });
});

describe.runIf(process.platform === 'linux')('a server', () => {
  test('tells what its connections inherit, and each of them knows by whom', async () => {
    const server = keepAliveServer(net.createServer(), 'database');
    const port = await listen(server);
    expect(inspectKeepAlive(server)).toMatchObject([
      {
        kind: 'listener',
        local: { address: '127.0.0.1', port },
        by: { rank: 'explicit', name: 'keepAliveServer' },
        held: database,
        options: inKernel('database'),
        tcpInfo: { state: 'LISTEN' },
      },
    ]);
    const accepted = await accept(server);
    expect(inspectKeepAlive(accepted)).toMatchObject([
      { by: { name: 'keepAliveServer' }, options: inKernel('database'), state: 'idle' },
    ]);
  });

  test('comes before the sockets that its driver module has listed', async () => {
    const server = net.createServer();
    await listen(server);
    const [accepted, list] = [await accept(server), newSocketList()];
    listSocket(list, accepted);
    expect(inspectKeepAlive(Object.assign(server, { [SOCKETS]: list }))).toMatchObject([
      { kind: 'listener' },
      { kind: 'connection', peer: { port: accepted.remotePort } },
    ]);
  });

  test('tells whatever the kernel has, also what nobody may ask for', async () => {
    const server = net.createServer();
    await listen(server);
    writeRaw(server, 'userTimeout', 1);
    expect(inspectKeepAlive(server)).toMatchObject([{ options: { userTimeout: 1 }, detection: {} }]);
  });

  test('that does not listen says so', () => {
    expect(inspectKeepAlive(http.createServer())).toMatchObject([
      { kind: 'listener', error: { code: 'ERR_KEEPALIVE_NOT_CONNECTED' } },
    ]);
  });
});

describe('what a driver module was given', () => {
  test.runIf(process.platform === 'linux')('an agent tells each of its connections', async () => {
    const server = http.createServer((_request, response) => response.end());
    const port = await listen(server);
    const agent = keepAliveHttp(new http.Agent({ keepAlive: true }), 'database');
    onTestFinished(() => agent.destroy());
    expect(inspectKeepAlive(agent)).toEqual([]);
    const get = () =>
      new Promise<void>((done) => {
        http.get({ port, host: '127.0.0.1', agent }, (response) => response.resume().on('end', done));
      });
    await Promise.all([get(), get()]);
    // One that closes is no longer listed.
    const [first, second] = Object.values(agent.freeSockets).flatMap((sockets) => sockets ?? []);
    expect(inspectKeepAlive(agent)).toMatchObject(
      [1, 2].map(() => ({ by: { rank: 'driver', name: 'keepAliveHttp' }, options: inKernel('database') })),
    );
    second?.destroy();
    expect(inspectKeepAlive(agent)).toMatchObject([{ local: { port: first?.localPort } }]);
    // A later call finds those of an earlier one.
    keepAliveHttp(agent, 'fastFailover');
    expect(inspectKeepAlive(agent)).toMatchObject([{ options: inKernel('fastFailover') }]);
  });

  test.each([
    {
      what: 'a pool that no module was given',
      target: new pg.Pool(),
      call: 'call keepAlivePg(pool, options)',
    },
    { what: 'an agent', target: new http.Agent(), call: 'call keepAliveHttp(agent, options)' },
    { what: 'a client of pg', target: new pg.Client(), call: 'call keepAlivePg(client, options)' },
    {
      what: 'a server of ws',
      target: new WebSocketServer({ noServer: true }),
      call: 'call keepAliveWs(server, options)',
    },
    { what: 'a dispatcher of undici', target: new Agent(), call: 'keepAliveUndici(config, options)' },
    { what: 'a client of ssh2', target: new ssh2.Client(), call: 'call keepAliveSsh2(client, options)' },
    {
      what: 'a client of kafkajs',
      target: new Kafka({ brokers: ['localhost:1'] }),
      call: 'keepAliveKafkajs(config, options)',
    },
    {
      what: 'a client of mqtt',
      target: mqtt.connect('mqtt://localhost:1', { manualConnect: true }),
      call: 'call keepAliveMqtt(client, options)',
    },
    {
      what: 'postgres.js',
      target: postgres({ host: 'localhost' }),
      call: 'postgres(keepAlivePostgres(config, options))',
    },
    { what: 'a promise', target: Promise.resolve(), call: 'await it first' },
    { what: 'nothing', target: undefined, call: '' },
    { what: 'a number', target: 5432, call: '' },
  ])('$what is refused, with what to call', ({ target, call }) => {
    expect(() => inspectKeepAlive(target as never)).toThrow(
      expect.objectContaining({
        code: 'ERR_KEEPALIVE_INVALID_OPTION',
        message: expect.stringContaining(call),
      }),
    );
  });

  test('its list keeps no socket alive, and does not grow', async () => {
    const list = newSocketList();
    const open = new net.Socket();
    listSocket(list, open);
    for (let n = 0; n < 10_000; n++) listSocket(list, Object.assign(new net.Socket(), { destroyed: true }));
    expect(list.references.length).toBeLessThan(100);
    listSocket(list, open);
    expect(listedSockets(list)).toEqual([open]);
    expect(list.references.every((reference) => reference instanceof WeakRef)).toBe(true);
  });

  test('a socket of an http2 session that is destroyed is no longer listed', async () => {
    const server = http2.createServer();
    const port = await listen(server);
    const session = http2.connect(`http://127.0.0.1:${port}`);
    await once(session, 'connect');
    const list = newSocketList();
    listSocket(list, session.socket as net.Socket);
    expect(listedSockets(list)).toHaveLength(1);
    session.destroy();
    await once(session, 'close');
    expect(listedSockets(list)).toEqual([]);
  });

  test('shows the list under a registered symbol only', () => {
    const agent = new http.Agent();
    const keys = Object.keys(keepAliveHttp(agent, 'database'));
    expect(keys).not.toContain(String(SOCKETS));
    expect(Reflect.get(agent, Symbol.for('tcp-keepalive.sockets'))).toBeDefined();
  });
});

describe('in how long a connection is lost', () => {
  const info = {
    state: 'ESTABLISHED',
    probes: 0,
    rto: 800,
    backoff: 2,
    retransmits: 0,
    unacked: 0,
    sendWindow: 65_536,
    notSentBytes: 0,
    lastDataSent: 100,
    lastDataReceived: 10_000,
    lastAckReceived: 9_000,
  };

  /** What is found of a connection of which the kernel tells this. */
  async function found(told: object, options: object = { userTimeout: 0 }) {
    vi.doMock('../../src/sockets/get.ts', () => ({
      getKeepAlive: () => options,
      getTcpInfo: () => ({ ...info, ...told }),
    }));
    vi.resetModules();
    onTestFinished(() => {
      vi.doUnmock('../../src/sockets/get.ts');
      vi.resetModules();
    });
    const { inspectKeepAlive } = await import('../../src/sockets/inspect.ts');
    const [{ detection, state, lostIn } = {}] = inspectKeepAlive(await connection());
    return { detection, state, lostIn };
  }

  const over = (window: DetectionWindow, atLeast: number, atMost: number) => ({
    earliest: window.earliest - atMost,
    nominal: window.nominal - atLeast,
    latest: window.latest - atLeast,
  });

  test('idle: what is left after the silence', async () => {
    const { detection, state, lostIn } = await found({}, database);
    // Two retransmissions have doubled its timeout, which was 200 ms.
    expect(detection).toEqual(predictDetection(database, { rto: 200 }));
    expect(state).toBe('idle');
    expect(lostIn).toEqual(over(predictDetection(database).idle, 9_000, 9_000));
  });

  const { unacknowledged } = predictDetection({}, { rto: 200 });

  test.each([
    { why: 'from the write', told: {}, atLeast: 100, atMost: 100 * 1.125 + 200 },
    {
      why: 'from the write, which each retransmission has waited for longer',
      told: { retransmits: 2 },
      atLeast: 100 + 200 + 400,
      atMost: 700 * 1.125 + 200,
    },
    {
      why: 'from the write, each at most two minutes',
      told: {
        retransmits: 11,
        backoff: 0,
        rto: 200,
        lastDataSent: 0,
        lastDataReceived: 1e9,
        lastAckReceived: 1e9,
      },
      atLeast: 204_600 + 120_000,
      atMost: 324_600 * 1.125 + 200,
    },
    { why: 'from no longer ago than the silence', told: { lastAckReceived: 50 }, atLeast: 50, atMost: 50 },
    {
      why: 'from no longer ago than the silence, at most',
      told: { lastAckReceived: 200 },
      atLeast: 100,
      atMost: 200,
    },
  ])('with data in flight: $why', async ({ told, atLeast, atMost }) => {
    const { state, lostIn } = await found({ unacked: 1, ...told });
    expect(state).toBe('unacknowledged');
    expect(lostIn).toEqual(over(unacknowledged, atLeast, atMost));
  });

  test('with data in flight: each pause at most as long as is set', async () => {
    const options = { maxRetransmitInterval: 1_000 };
    const { detection, lostIn } = await found({ unacked: 1, retransmits: 4 }, options);
    const waited = 100 + 200 + 400 + 800 + 1_000;
    expect(lostIn).toEqual(over(detection?.unacknowledged as DetectionWindow, waited, waited * 1.125 + 200));
  });

  test('is not less than nothing, also without a round trip', async () => {
    const options = { userTimeout: 1_000 };
    const late = { retransmits: 9, lastDataSent: 5_000 };
    expect((await found(late, options)).lostIn).toEqual({ earliest: 0, nominal: 0, latest: 0 });
    const { detection, lostIn } = await found({ unacked: 1, rto: 0, backoff: 0 });
    expect(lostIn).toEqual(over(detection?.unacknowledged as DetectionWindow, 100, 100 * 1.125 + 1));
  });
});

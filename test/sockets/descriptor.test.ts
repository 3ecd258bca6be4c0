import { once } from 'node:events';
import net from 'node:net';
import { constants } from 'node:os';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { optionNames } from '../../src/options/options.ts';
import type { TcpHandle } from '../../src/sockets/handle.ts';
import { connection, pair } from '../helpers/connection.ts';
import { fakeWindows } from '../helpers/fake-windows.ts';
import { handleOf } from '../helpers/handle-of.ts';
import { hideDescriptor, showDescriptor } from '../helpers/hide-descriptor.ts';
import { soonAfter } from '../helpers/hold-parts.ts';
import { listen, untilFinished } from '../helpers/listen.ts';
import { packageOn } from '../helpers/package-on.ts';
import { fdOf, kernelValues } from '../helpers/raw-options.ts';

// The recorded library numbers errors as this system does.
const { ENOPROTOOPT } = constants.errno;

const told = (calls: readonly { level: number; name: number; value: number }[]) =>
  calls.map(({ level, name, value }) => `${level}/${name}=${value}`).join(' ');

describe.runIf(process.platform === 'linux')('on Windows, here a fake of it over the real libuv', () => {
  test('all five options reach the SOCKET of each connection, and are read back', async () => {
    const { client, server } = await pair();
    const fds = [fdOf(client), fdOf(server)];
    const { lib, winsock } = await fakeWindows(client, server);
    lib.setKeepAlive(client, 'database');
    lib.setKeepAlive(server, { enable: false });
    expect(told(winsock.calls)).toBe('6/14=24500 6/17=5 6/16=3 6/3=10 65535/8=1 65535/8=0');
    expect(winsock.descriptors).toEqual([...Array(5).fill(fds[0]), fds[1]]);
    winsock.answers.set(14, 24_500).set(3, 10).set(17, 5).set(16, 3).set(8, 1);
    expect(lib.getKeepAlive(client)).toEqual({
      enable: true,
      initialDelay: 10_000,
      interval: 5_000,
      count: 3,
      userTimeout: 24_500,
    });
    expect(lib.capabilities()).toMatchObject({ platform: 'win32', through: 'setsockopt' });
  });

  test('a closed connection is refused, whoever has its SOCKET by now', async () => {
    const client = await connection();
    const { lib, winsock } = await fakeWindows(client);
    lib.setKeepAlive(client, { enable: true });
    client.destroy();
    expect(() => lib.setKeepAlive(client, { enable: true })).toThrow(
      expect.objectContaining({ code: 'ERR_KEEPALIVE_DESTROYED' }),
    );
    const { server } = await pair();
    hideDescriptor(server);
    lib.setKeepAlive(server, { enable: true });
    expect(winsock.descriptors).toHaveLength(2);
  });

  test('a hold is kept through Winsock', async () => {
    const port = await listen(untilFinished(net.createServer()));
    const { lib, winsock } = await fakeWindows();
    const client = lib.keepAlive(new net.Socket(), 'database');
    onTestFinished(() => void client.destroy());
    client.connect(port, '127.0.0.1');
    client.prependOnceListener('connect', () => hideDescriptor(client));
    await once(client, 'connect');
    await soonAfter();
    const before = winsock.calls.length;
    client.setKeepAlive(true, 60_000);
    expect(before).toBeGreaterThanOrEqual(5);
    showDescriptor(client);
    // Node's own call did not reach the system.
    expect(kernelValues(client)).toMatch(/^0:/);
  });

  test('TCP_MAXRT, in seconds, takes the place of TCP_MAXRTMS if that is refused', async () => {
    const client = await connection();
    const { lib, winsock } = await fakeWindows(client);
    winsock.failures.set(14, ENOPROTOOPT);
    expect(lib.setKeepAlive(client, { userTimeout: 24_500 })).toEqual({ userTimeout: 25_000 });
    expect(told(winsock.calls)).toBe('6/14=24500 6/5=25');
    expect(lib.setKeepAlive(client, { userTimeout: 24_500 }, { strict: true })).toEqual({
      userTimeout: 25_000,
    });
    expect(told(winsock.calls.slice(2))).toBe('6/5=25');
    winsock.answers.set(5, 25);
    expect(lib.getKeepAlive(client).userTimeout).toBe(25_000);
  });

  test('what an old Windows refuses is left to Node, and what that cannot set is told once', async () => {
    const client = await connection();
    const { lib, winsock } = await fakeWindows(client);
    for (const name of [14, 5, 17, 16, 3]) winsock.failures.set(name, ENOPROTOOPT);
    const applied = lib.setKeepAlive(client, 'database');
    const byNode = optionNames.filter(
      (name) => applied.skipped?.includes(name) !== true && name !== 'maxRetransmitInterval',
    );
    expect(byNode).toEqual(expect.arrayContaining(['enable', 'initialDelay']));
    expect(applied).toMatchObject({ enable: true, initialDelay: 10_000 });
    expect(applied.skipped).toContain('userTimeout');
    const problems: Error[] = [];
    lib.keepAlive(client, 'tunnel', { onError: (error) => problems.push(error) });
    client.setKeepAlive(false);
    expect(problems).toEqual([
      expect.objectContaining({
        code: 'ERR_KEEPALIVE_UNSUPPORTED',
        message: expect.stringContaining('`userTimeout`: this connection has no such option on win32'),
      }),
    ]);
    expect(lib.getKeepAlive(client)).toEqual({ enable: false });
    expect(lib.capabilities().options).toMatchObject({
      initialDelay: { set: true, read: false, reason: 'this kernel has no TCP_KEEPIDLE' },
      userTimeout: { set: false, read: false },
    });
    expect(() => lib.setKeepAlive(client, 'database', { strict: true })).toThrow(
      expect.objectContaining({ code: 'ERR_KEEPALIVE_UNSUPPORTED' }),
    );
    showDescriptor(client);
    expect(kernelValues(client)).toMatch(/^1:30\//);
  });
});

describe.runIf(process.platform === 'linux')('on Deno, here a fake of it', () => {
  function stubDeno(): void {
    vi.stubGlobal('Deno', {});
    onTestFinished(() => void vi.unstubAllGlobals());
  }

  test('all options reach the descriptor that has the ends of the connection', async () => {
    stubDeno();
    const { client, server } = await pair();
    const { getKeepAlive, getTcpInfo, keepAlive, setKeepAlive } = await packageOn('linux');
    hideDescriptor(client);
    hideDescriptor(server);
    setKeepAlive(client, { initialDelay: 20_000, interval: 11_000, count: 3, userTimeout: 24_500 });
    keepAlive(server, { initialDelay: 30_000, interval: 7_000, count: 4 });
    expect(getKeepAlive(client)).toMatchObject({
      initialDelay: 20_000,
      interval: 11_000,
      userTimeout: 24_500,
    });
    expect(getTcpInfo(client).state).toBe('ESTABLISHED');
    server.setKeepAlive(true, 60_000);
    showDescriptor(client);
    showDescriptor(server);
    expect(kernelValues(client)).toBe('1:20/11/3 24500');
    expect(kernelValues(server)).toMatch(/^1:30\/7\/4 /);
  });

  test('each of Bun’s sockets without a handle too, and none that is closed', async () => {
    vi.stubGlobal('Bun', {});
    onTestFinished(() => void vi.unstubAllGlobals());
    const client = await connection();
    const { setKeepAlive } = await packageOn('linux');
    const { localAddress, localPort, remoteAddress, remotePort } = client;
    const bare = {
      _handle: null,
      connecting: false,
      destroyed: false,
      localAddress,
      localPort,
      remoteAddress,
      remotePort,
    };
    const socket = bare as unknown as net.Socket;
    setKeepAlive(socket, { initialDelay: 20_000, count: 3 });
    expect(kernelValues(client)).toMatch(/^1:20\/\d+\/3 /);
    client.destroy();
    expect(() => setKeepAlive(socket, { count: 4 })).toThrow(
      expect.objectContaining({ code: 'ERR_KEEPALIVE_NOT_CONNECTED' }),
    );
  });

  test('that is no runtime of its own: Node finds none for a socket without a handle', async () => {
    const client = await connection();
    const { descriptorWithoutHandle } = await import('../../src/sockets/descriptor.ts');
    expect(descriptorWithoutHandle(client)).toBe(-1);
    stubDeno();
    expect(descriptorWithoutHandle(client)).toBe(fdOf(client));
    expect(descriptorWithoutHandle(new net.Socket())).toBe(-1);
  });
});

describe.runIf(process.platform === 'linux')('what no runtime shows', () => {
  /** The file, and how often it searches. */
  async function searched(platform: string) {
    vi.resetModules();
    const find = await vi.importActual<typeof import('../../src/kernel/find.ts')>('../../src/kernel/find.ts');
    const spies = { findHandle: vi.fn(find.findHandle), findDescriptor: vi.fn(find.findDescriptor) };
    vi.doMock('../../src/kernel/find.ts', () => ({ ...find, ...spies }));
    onTestFinished(() => void vi.doUnmock('../../src/kernel/find.ts'));
    await packageOn(platform);
    return { ...(await import('../../src/sockets/descriptor.ts')), ...spies };
  }

  test('is searched for once: on Windows', async () => {
    const client = await connection();
    const { descriptorBehind, findHandle } = await searched('win32');
    for (const _ of [1, 2, 3]) expect(descriptorBehind(handleOf(client) as TcpHandle)).toBe(fdOf(client));
    expect(findHandle).toHaveBeenCalledOnce();
  });

  test('is searched for once: on Deno', async () => {
    vi.stubGlobal('Deno', {});
    onTestFinished(() => void vi.unstubAllGlobals());
    const client = await connection();
    const { descriptorBehind, findDescriptor } = await searched('linux');
    for (const _ of [1, 2, 3]) expect(descriptorBehind(handleOf(client) as TcpHandle)).toBe(fdOf(client));
    expect(findDescriptor).toHaveBeenCalledOnce();
  });

  test.each([
    { where: 'Windows', platform: 'win32', function: 'obstacleToHandles' },
    { where: 'Deno', platform: 'linux', function: 'obstacleToDescriptors' },
  ])('has a reason on $where', async ({ where, platform, function: name }) => {
    if (where === 'Deno') vi.stubGlobal('Deno', {});
    vi.doMock('../../src/kernel/find.ts', async (original) => ({
      ...(await original<object>()),
      [name]: () => 'it is locked',
    }));
    onTestFinished(() => {
      vi.unstubAllGlobals();
      vi.doUnmock('../../src/kernel/find.ts');
    });
    await packageOn(platform);
    const { obstacleToFinding } = await import('../../src/sockets/descriptor.ts');
    expect(obstacleToFinding()).toBe(`${where} shows no descriptor, and none can be found: it is locked`);
  });
});

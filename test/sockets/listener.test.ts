import { once } from 'node:events';
import net from 'node:net';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { readSettings } from '../../src/kernel/settings.ts';
import { parseKeepAliveOptions } from '../../src/options/parse.ts';
import {
  ALL,
  changeListener,
  isServer,
  nextInherits,
  putBack,
  setListener,
} from '../../src/sockets/listener.ts';
import type { OnError } from '../../src/sockets/report.ts';
import { adoptedListener, missingMultipath, untouched } from '../helpers/connection.ts';
import { databaseInKernel, optionsSetBy } from '../helpers/hold-parts.ts';
import { accept, listen, listenOnPath } from '../helpers/listen.ts';
import { fdOf, kernelValues, writeRaw } from '../helpers/raw-options.ts';
import { whileClosed } from '../helpers/system-calls.ts';

const database = parseKeepAliveOptions('database');
const tunnel = parseKeepAliveOptions('tunnel');

/** A server that listens until the test ends, with Linux's own defaults, whatever this machine's are. */
async function listening(options: net.ServerOpts = {}): Promise<net.Server> {
  const server = net.createServer(options);
  await listen(server);
  writeRaw(server, 'initialDelay', 7_200);
  writeRaw(server, 'interval', 75);
  writeRaw(server, 'count', 9);
  return server;
}

/** Lets clients connect and wait to be accepted. */
async function connectWithoutAccept(server: net.Server, count: number): Promise<void> {
  const { port } = server.address() as net.AddressInfo;
  const clients = Array.from({ length: count }, () => net.connect(port, '127.0.0.1'));
  onTestFinished(() => {
    for (const client of clients) client.destroy();
  });
  // The SYNs are sent in the next tick, and answered by the kernel before Node polls again.
  await new Promise<void>((resolve) => process.nextTick(resolve));
}

describe.runIf(process.platform === 'linux')('a listener that is set', () => {
  test('counts those that wait to be accepted as the ones that do not inherit', async () => {
    const server = await listening();
    await connectWithoutAccept(server, 3);
    expect(setListener(server, database, undefined)).toBe(3);
    expect(kernelValues(server)).toBe(databaseInKernel);
  });

  test('is what its connections inherit, if none waits', async () => {
    const server = await listening();
    expect(setListener(server, database, undefined)).toBe(0);
    expect(kernelValues(await accept(server))).toBe(databaseInKernel);
  });

  test('has no connection that inherits if the server writes its own option afterwards', async () => {
    const server = await listening({ keepAlive: true });
    expect(setListener(server, database, undefined)).toBe(ALL);
    expect(kernelValues(server)).toBe(untouched);
  });

  test('has none before it listens', () => {
    expect(setListener(net.createServer(), database, undefined)).toBe(ALL);
  });

  test('of Multipath TCP is set without the user timeout that it lacks, and nobody is told', async ({
    skip,
  }) => {
    const missing = missingMultipath();
    skip(missing !== undefined, missing);
    const server = await adoptedListener('MPTCP');
    const onError = vi.fn<OnError>();
    expect(setListener(server, database, onError)).toBe(0);
    const { userTimeout: _, maxRetransmitInterval: _auto, ...rest } = database;
    expect(readSettings(fdOf(server))).toEqual(rest);
    expect(onError).not.toHaveBeenCalled();
  });

  test('reports what the kernel refuses, but not a Unix listener', async () => {
    const onError = vi.fn<OnError>();
    const server = await listening();
    whileClosed(fdOf(server), () => expect(setListener(server, database, onError)).toBe(0));
    expect(onError.mock.calls).toEqual([[expect.objectContaining({ code: 'EBADF' })]]);
    const unix = net.createServer();
    await listenOnPath(unix);
    expect(setListener(unix, database, onError)).toBe(0);
    expect(onError).toHaveBeenCalledTimes(1);
  });
});

test.each([
  { oneByOne: 0, inherited: [true, true, true], left: 0 },
  { oneByOne: 2, inherited: [false, false, true], left: 0 },
  { oneByOne: ALL, inherited: [false, false, false], left: ALL },
])('of connections, with $oneByOne that do not inherit: $inherited', ({ oneByOne, inherited, left }) => {
  const listener = { oneByOne };
  expect(inherited.map(() => nextInherits(listener))).toEqual(inherited);
  expect(listener.oneByOne).toBe(left);
});

describe.runIf(process.platform === 'linux')('a listener that is changed for a while', () => {
  test('gets back what it had, option by option', async () => {
    const server = await listening();
    writeRaw(server, 'count', 3);
    const changed = changeListener(server, database);
    expect(changed.oneByOne).toBe(0);
    expect(kernelValues(server)).toBe(databaseInKernel);
    expect(optionsSetBy(() => putBack(server, changed, undefined))).not.toContain('TCP_KEEPCNT');
    expect(kernelValues(server)).toBe('0:7200/75/3 0');
  });

  test.each(['enable', 'initialDelay', 'interval', 'count', 'userTimeout'] as const)(
    'keeps what somebody else has written since: %s',
    async (option) => {
      const server = await listening();
      const changed = changeListener(server, database);
      writeRaw(server, option, option === 'enable' ? 0 : 4);
      const theirs = kernelValues(server);
      expect(theirs).not.toBe(databaseInKernel);
      expect(optionsSetBy(() => putBack(server, changed, undefined))).toEqual([]);
      expect(kernelValues(server)).toBe(theirs);
    },
  );

  test('keeps what keepAliveServer has set since, and gets back the rest', async () => {
    const server = await listening();
    const changed = changeListener(server, database);
    setListener(server, { enable: true, count: 5 }, undefined);
    putBack(server, changed, { enable: true, count: 5 });
    expect(kernelValues(server)).toBe('1:7200/75/5 0');
  });

  test('is another one once the server listens again, and is left alone then', async () => {
    const server = net.createServer();
    await listen(server);
    const changed = changeListener(server, database);
    server.close();
    await once(server, 'close');
    expect(() => putBack(server, changed, undefined)).not.toThrow();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    setListener(server, database, undefined);
    putBack(server, changed, undefined);
    expect(kernelValues(server)).toBe(databaseInKernel);
  });

  test('has nothing to put back if it could not be changed', async () => {
    const server = await listening({ keepAlive: true });
    const changed = changeListener(server, tunnel);
    expect(changed).toMatchObject({ oneByOne: ALL, changed: undefined });
    expect(optionsSetBy(() => putBack(server, changed, database))).toEqual([]);
  });
});

describe('a server is known by its members', () => {
  const members = { address() {}, prependListener() {}, listening: false };

  test('whatever its class', () => {
    for (const value of [net.createServer(), members]) expect(isServer(value)).toBe(true);
  });

  test.each(Object.keys(members) as (keyof typeof members)[])('all of them, such as %s', (lacking) => {
    expect(isServer({ ...members, [lacking]: undefined })).toBe(false);
  });

  test.each([undefined, null, 7, {}])('%s is none', (value) => {
    expect(isServer(value)).toBe(false);
  });
});

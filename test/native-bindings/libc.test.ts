import { once } from 'node:events';
import { constants } from 'node:os';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { loadLibc } from '../../native-bindings/libc.ts';
import { parseKeepAliveOptions } from '../../src/options/parse.ts';
import { presets } from '../../src/options/presets.ts';
import { type Bundle, bundle, platformPackage } from '../helpers/bundle.ts';
import { connectedPair } from '../helpers/connected-pair.ts';
import { kernelValues } from '../helpers/raw-options.ts';
import { asRead } from '../helpers/retransmit-interval.ts';
import { withoutFfi } from '../helpers/without-ffi.ts';

const database = parseKeepAliveOptions('database');

test('what was loaded is kept', () => {
  expect(loadLibc()).toBe(loadLibc());
});

test('what a faked loader refused is not loaded again, and fails the same way', async () => {
  const refusal = new Error('not built for this system');
  const loadKoffi = vi.fn(() => {
    throw refusal;
  });
  vi.doMock('../../native-bindings/load-koffi.ts', () => ({ loadKoffi }));
  vi.doMock('../../native-bindings/node-ffi.ts', () => ({ nodeFfi: () => undefined }));
  vi.resetModules();
  onTestFinished(() => {
    vi.doUnmock('../../native-bindings/load-koffi.ts');
    vi.doUnmock('../../native-bindings/node-ffi.ts');
    vi.resetModules();
  });
  const fresh = await import('../../native-bindings/libc.ts');
  expect(thrownBy(fresh.loadLibc)).toBe(refusal);
  expect(thrownBy(fresh.loadLibc)).toBe(refusal);
  expect(loadKoffi).toHaveBeenCalledTimes(1);
});

function thrownBy(fn: () => unknown): unknown {
  try {
    return void fn();
  } catch (error) {
    return error;
  }
}

test('names each error number as Node does', () => {
  const { errorNumbers } = loadLibc();
  const firstName = (numbers: Readonly<Record<string, number>>, number: number) =>
    Object.keys(numbers).find((name) => numbers[name] === number);
  for (const number of Object.values(constants.errno)) {
    expect(firstName(errorNumbers, number)).toBe(firstName(constants.errno, number));
  }
});

describe.runIf(process.platform === 'linux')('the package in a process of its own', () => {
  let withKoffi: Bundle;
  let alone: Bundle;
  beforeAll(async () => {
    [withKoffi, alone] = await Promise.all([bundle({ koffi: true }), bundle({ koffi: false })]);
  });
  afterAll(() => {
    withKoffi.remove();
    alone.remove();
  });

  describe.each([
    { format: 'ESM', load: "const lib = await import('./bundle.mjs');" },
    { format: 'CommonJS', load: "const lib = require('./bundle.cjs');" },
  ])('as $format', ({ load }) => {
    test('does not load koffi until a socket is touched', async () => {
      const told = await withKoffi.run(`
        process.report.excludeNetwork = true;
        const isLoaded = () => process.report.getReport().sharedObjects.some((file) => file.endsWith('koffi.node'));
        ${load}
        const imported = isLoaded();
        const socket = await connect();
        const waiting = lib.keepAlive(new net.Socket(), 'database');
        lib.keepAliveServer(net.createServer(), 'database');
        told(() => lib.setKeepAlive(socket, { count: 0 }));
        const held = isLoaded();
        lib.setKeepAlive(socket, 'database');
        tell({ imported, held, set: isLoaded(), read: lib.getKeepAlive(socket) });
      `);
      expect(told).toEqual({ imported: false, held: false, set: true, read: asRead(database) });
    });

    test('says what is missing where koffi is not installed, each time', async () => {
      const told = await alone.run(
        `
        ${load}
        const socket = await connect();
        tell([told(() => lib.setKeepAlive(socket, 'database')), told(() => lib.getKeepAlive(socket))]);
      `,
        withoutFfi,
      );
      const failure = {
        code: 'ERR_KEEPALIVE_UNSUPPORTED',
        message:
          `Cannot load koffi, which calls setsockopt: Cannot find module '${platformPackage}'. ` +
          `This program is a bundle: leave tcp-keepalive external, or copy node_modules/${platformPackage} beside it`,
        cause: {
          code: 'MODULE_NOT_FOUND',
          message: expect.stringContaining(`Cannot find module '${platformPackage}'`),
        },
      };
      expect(told).toEqual([failure, failure]);
    });

    test('says what is refused under --permission, and runs on', async () => {
      const told = await withKoffi.run(
        `
        ${load}
        const socket = await connect();
        tell([told(() => lib.setKeepAlive(socket, 'database')), lib.capabilities().through]);
      `,
        permissionFlags(),
      );
      expect(told).toEqual([
        {
          code: 'ERR_KEEPALIVE_UNSUPPORTED',
          message: expect.stringMatching(
            /^Cannot load koffi, which calls setsockopt: .*\. Run Node with --allow-addons( or --allow-ffi)? beside --permission$/,
          ),
          cause: expect.objectContaining({ code: 'ERR_DLOPEN_DISABLED' }),
        },
        'node',
      ]);
    });
  });

  test('two copies, ESM and CommonJS, set one socket', async () => {
    const told = await withKoffi.run(`
      const esm = await import('./bundle.mjs');
      const cjs = require('./bundle.cjs');
      const socket = await connect();
      esm.setKeepAlive(socket, { count: 3 });
      cjs.setKeepAlive(socket, { interval: 5_000 });
      const { count } = cjs.getKeepAlive(socket);
      const { interval } = esm.getKeepAlive(socket);
      tell({ count, interval });
    `);
    expect(told).toEqual({ count: 3, interval: 5_000 });
  });

  test('worker threads set their own sockets, all at once', async () => {
    const program = `
      const { parentPort, workerData } = require('node:worker_threads');
      const net = require('node:net');
      const { setKeepAlive, getKeepAlive } = require(workerData.cjs);
      const listener = net.createServer((accepted) => accepted.unref()).listen(0, '127.0.0.1', () => {
        const socket = net.connect(listener.address().port, '127.0.0.1', () => {
          // Many calls, so that the threads meet: each has its own memory for values.
          for (let i = 0; i < 500; i++) {
            setKeepAlive(socket, { count: workerData.count });
            if (getKeepAlive(socket).count !== workerData.count) throw new Error('another thread wrote');
          }
          setKeepAlive(socket, workerData.options);
          parentPort.postMessage(getKeepAlive(socket));
          socket.destroy();
          listener.close();
        });
      });
    `;
    const counts = [3, 4, 5];
    const read = await Promise.all(
      counts.map(async (count) => {
        const options = { ...presets.database, count };
        const worker = new Worker(program, {
          eval: true,
          workerData: { cjs: withKoffi.cjs, count, options },
        });
        // A worker that ends at once is told of together with its message.
        const [[told]] = await Promise.all([once(worker, 'message'), once(worker, 'exit')]);
        return told;
      }),
    );
    expect(read).toEqual(counts.map((count) => asRead({ ...database, count })));
  });
});

test('a second evaluation of the modules works beside the first', async ({ onTestFinished }) => {
  const { client, close } = await connectedPair();
  onTestFinished(close);
  const first = await import('../../src/index.ts');
  vi.resetModules();
  const second = await import('../../src/index.ts');
  expect(second.setKeepAlive).not.toBe(first.setKeepAlive);
  first.setKeepAlive(client, 'database');
  expect(second.getKeepAlive(client)).toEqual(asRead(database));
  second.setKeepAlive(client, 'fastFailover');
  expect(first.getKeepAlive(client)).toEqual(asRead(parseKeepAliveOptions('fastFailover')));
  expect(kernelValues(client)).toBe('1:5/2/3 10500');
});

/** What makes this Node refuse native addons. */
function permissionFlags(): string[] {
  const known = process.allowedNodeEnvironmentFlags;
  const permission = known.has('--permission') ? '--permission' : '--experimental-permission';
  return [permission, '--allow-fs-read=*', ...(known.has('--allow-net') ? ['--allow-net'] : [])];
}

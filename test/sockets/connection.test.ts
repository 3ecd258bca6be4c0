import { once } from 'node:events';
import net from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { keepAlive } from 'tcp-keepalive';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { loadLibc } from '../../native-bindings/libc.ts';
import { linux } from '../../native-bindings/platforms/linux.ts';
import type { OptionTable } from '../../native-bindings/platforms/table.ts';
import { tcpInfoLayout } from '../../native-bindings/tcp-info.ts';
import { parseKeepAliveOptions } from '../../src/options/parse.ts';
import {
  correct,
  correctAgain,
  correctHandle,
  correctOld,
  throughKernel,
  write,
} from '../../src/sockets/connection.ts';
import { NO_DESCRIPTOR, type TcpHandle } from '../../src/sockets/handle.ts';
import { nodeTakesIntervalAndCount } from '../../src/sockets/node-way.ts';
import { unixConnection, untouched, untouchedConnection } from '../helpers/connection.ts';
import { handleOf } from '../helpers/handle-of.ts';
import { hideDescriptor, showDescriptor } from '../helpers/hide-descriptor.ts';
import { databaseInKernel, optionsSetBy } from '../helpers/hold-parts.ts';
import { listen } from '../helpers/listen.ts';
import { missingKoffi } from '../helpers/missing-koffi.ts';
import { fdOf, kernelValues, writeRaw } from '../helpers/raw-options.ts';
import { whileClosed } from '../helpers/system-calls.ts';

const database = parseKeepAliveOptions('database');
const twentySeconds = parseKeepAliveOptions({ initialDelay: 20_000 });
const databaseByNode = nodeTakesIntervalAndCount ? '1:10/5/3 0' : '1:10/1/10 0';

/** A connection, and the calls of Node's own that reach its handle. */
async function watched() {
  const socket = await untouchedConnection();
  const { calls } = vi.spyOn(handleOf(socket), 'setKeepAlive').mock;
  return { socket, calls };
}

/** The file as it is where koffi cannot be loaded, with the process warnings kept out of the output. */
async function withoutKoffi() {
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
  onTestFinished(() => warn.mockRestore());
  missingKoffi(new Error('not installed'));
  vi.resetModules();
  const connection = await import('../../src/sockets/connection.ts');
  return { ...connection, warnings: warn.mock.calls };
}

/** The file as it is on a system with these options, or with none that are known. */
async function withTable(table: OptionTable | undefined) {
  vi.doMock('../../native-bindings/platforms/index.ts', () => ({ platformTable: () => table }));
  onTestFinished(() => {
    vi.doUnmock('../../native-bindings/platforms/index.ts');
    vi.resetModules();
  });
  vi.resetModules();
  return import('../../src/sockets/connection.ts');
}

describe.runIf(process.platform === 'linux')('a connection with a descriptor', () => {
  test('is reached through the kernel, and Node’s own call is not made', async () => {
    const { socket, calls } = await watched();
    expect(write(socket, database, true)).toEqual(database);
    expect(kernelValues(socket)).toBe(databaseInKernel);
    expect(correct(socket, { ...database, count: 4 })).toBe('kernel');
    expect(kernelValues(socket)).toBe('1:10/5/4 24500');
    expect(calls).toEqual([]);
  });

  test('is corrected only where it differs', async () => {
    const { socket } = await watched();
    write(socket, database, false);
    expect(optionsSetBy(() => correct(socket, database))).toEqual([]);
    expect(optionsSetBy(() => correct(socket, { ...database, count: 4 }))).toEqual(['TCP_KEEPCNT']);
  });

  test('is looked at again by two options, and corrected if these have changed', async () => {
    const { socket } = await watched();
    write(socket, database, false);
    const reads = vi.spyOn(loadLibc(), 'getsockopt');
    onTestFinished(() => void reads.mockRestore());
    expect(optionsSetBy(() => correctAgain(socket, database))).toEqual([]);
    expect(reads).toHaveBeenCalledTimes(2);

    writeRaw(socket, 'interval', 1);
    writeRaw(socket, 'count', 10);
    correctAgain(socket, database);
    expect(kernelValues(socket)).toBe(databaseInKernel);
    writeRaw(socket, 'enable', 0);
    correctAgain(socket, database);
    expect(kernelValues(socket)).toBe(databaseInKernel);
  });

  test('tells whether anything had changed', async () => {
    const { socket } = await watched();
    const handle = handleOf(socket) as TcpHandle;
    write(socket, database, false);
    expect([correctAgain(socket, database), correctHandle(handle, database)]).toEqual([false, false]);
    writeRaw(socket, 'interval', 1);
    expect(correctAgain(socket, database)).toBe(true);
    writeRaw(socket, 'count', 10);
    expect(correctHandle(handle, database)).toBe(true);
    hideDescriptor(socket);
    expect([correctAgain(socket, database), correctHandle(handle, database)]).toEqual([false, false]);
  });

  test('is looked at again by all options if the interval is that of Node', async () => {
    const { socket } = await watched();
    const everySecond = { ...database, interval: 1_000 };
    write(socket, everySecond, false);
    writeRaw(socket, 'initialDelay', 99);
    correctAgain(socket, everySecond);
    expect(kernelValues(socket)).toBe('1:10/1/3 24500');
  });

  test('is not looked at twice in a second for a silence of its peer', async () => {
    const { socket } = await watched();
    const getsockopt = vi.spyOn(loadLibc(), 'getsockopt');
    onTestFinished(() => getsockopt.mockRestore());
    const looks = () => getsockopt.mock.calls.filter(([, , name]) => name === tcpInfoLayout.name).length;
    correctOld(socket, database);
    expect(looks()).toBe(1);
    correctOld(socket, { ...database, count: 4 });
    expect(looks()).toBe(1);
    expect(kernelValues(socket)).toBe('1:10/5/4 24500');
  });

  test('is reached by its handle alone too, until that is closed', async () => {
    const { socket, calls } = await watched();
    const handle = handleOf(socket) as TcpHandle;
    correctHandle(handle, database);
    expect(kernelValues(socket)).toBe(databaseInKernel);
    socket.destroy();
    await once(socket, 'close');
    expect(optionsSetBy(() => correctHandle(handle, { ...database, count: 4 }))).toEqual([]);
    expect(calls).toEqual([]);
  });

  test('is not left to Node if the kernel refuses', async () => {
    const { socket, calls } = await watched();
    whileClosed(fdOf(socket), () => {
      const refused = expect.objectContaining({ code: 'EBADF' });
      expect(() => write(socket, database, false)).toThrow(refused);
      expect(() => correct(socket, database)).toThrow(refused);
      expect(() => correctHandle(handleOf(socket) as TcpHandle, database)).toThrow(refused);
    });
    const unix = await unixConnection();
    expect(() => correct(unix, database)).toThrow(expect.objectContaining({ code: 'ERR_KEEPALIVE_NOT_TCP' }));
    expect(calls).toEqual([]);
    expect(kernelValues(socket)).toBe(untouched);
  });
});

describe.runIf(process.platform === 'linux')('a connection without one', () => {
  test('is reached through Node, and what Node cannot set is skipped, or refused by strict', async () => {
    const { socket } = await watched();
    hideDescriptor(socket);
    expect(write(socket, database, false).skipped).toContain('userTimeout');
    showDescriptor(socket);
    expect(kernelValues(socket)).toBe(databaseByNode);
    hideDescriptor(socket);
    expect(() => write(socket, { userTimeout: 5_000 }, true)).toThrow(
      expect.objectContaining({ code: 'ERR_KEEPALIVE_UNSUPPORTED', applied: [] }),
    );
  });

  test('is reached past the shadow of a hold, which stops the next call', async () => {
    const { socket, calls } = await watched();
    hideDescriptor(socket);
    keepAlive(socket, 'database');
    const before = calls.length;
    expect(write(socket, twentySeconds, false)).toEqual(twentySeconds);
    expect(calls.slice(before).at(-1)?.slice(0, 2)).toEqual([true, 20]);
    socket.setKeepAlive(true, 33_000);
    handleOf(socket).setKeepAlive(true, 34);
    expect(calls.at(-1)?.slice(0, 2)).toEqual([true, 20]);
  });

  test('has a shadow that stops the next call even after one that threw', async () => {
    const { socket, calls } = await watched();
    hideDescriptor(socket);
    keepAlive(socket, 'database');
    const own = vi.spyOn(Object.getPrototypeOf(socket), 'setKeepAlive').mockImplementation(() => {
      throw new Error('from Node');
    });
    expect(() => write(socket, twentySeconds, false)).toThrow('from Node');
    own.mockRestore();
    const before = calls.length;
    handleOf(socket).setKeepAlive(true, 34);
    expect(calls).toHaveLength(before);
  });
});

describe.runIf(process.platform === 'linux')('where the system lacks an option', () => {
  const asked = parseKeepAliveOptions({
    initialDelay: 10_000,
    interval: 5_000,
    count: 3,
    userTimeout: 24_500,
  });
  const lacking = '1:10/5/3 0';
  const { userTimeout: _lacking, ...withoutUserTimeout } = linux;

  test('an attempt to connect gets the others', async () => {
    const { writeToAttempt } = await withTable(withoutUserTimeout);
    const server = net.createServer();
    const socket = net.connect(await listen(server), '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    await once(socket, 'connectionAttempt');
    await nextTurn();
    expect(writeToAttempt(socket, asked)).toBe(true);
    await once(socket, 'connect');
    expect(kernelValues(socket)).toBe(lacking);
  });

  test('a connection gets the others, and what it lacks is told', async () => {
    const { correctOld } = await withTable(withoutUserTimeout);
    const { socket } = await watched();
    const onError = vi.fn();
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    onTestFinished(() => warn.mockRestore());
    expect(correctOld(socket, asked, onError)).toBe('kernel');
    expect(kernelValues(socket)).toBe(lacking);
    expect(onError.mock.calls).toEqual([
      [expect.objectContaining({ message: expect.stringMatching(/userTimeout/) })],
    ]);
    expect(warn).not.toHaveBeenCalled();
  });

  test('a connection of a system without a table is left to Node, and the reason is told', async () => {
    const { correct } = await withTable(undefined);
    const { socket } = await watched();
    const onError = vi.fn();
    expect(correct(socket, asked, onError)).toBe('node');
    expect(kernelValues(socket)).toBe(databaseByNode);
    expect(onError.mock.calls).toEqual([
      [expect.objectContaining({ message: expect.stringContaining('no option table for linux') })],
    ]);
  });
});

describe.runIf(process.platform === 'linux')('without koffi', () => {
  test('write throws, and nothing is set', async () => {
    const { socket, calls } = await watched();
    const { write, warnings } = await withoutKoffi();
    expect(() => write(socket, database, false)).toThrow(
      expect.objectContaining({ code: 'ERR_KEEPALIVE_UNSUPPORTED', applied: [] }),
    );
    expect([calls, warnings]).toEqual([[], []]);
  });

  test('correct warns, and calls Node', async () => {
    const { socket } = await watched();
    const { correct, warnings } = await withoutKoffi();
    expect(correct(socket, database)).toBe('node');
    expect(kernelValues(socket)).toBe(databaseByNode);
    expect(correct(socket, database)).toBe('node');
    expect(warnings).toEqual([
      [expect.any(String), { type: 'KeepAliveWarning', code: 'ERR_KEEPALIVE_UNSUPPORTED' }],
    ]);
  });
});

test('what takes system calls is not even begun without a descriptor', () => {
  const work = vi.fn();
  expect(throughKernel(NO_DESCRIPTOR, work)).toBe(false);
  expect(work).not.toHaveBeenCalled();
});

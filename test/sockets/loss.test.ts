import { constants } from 'node:os';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { LinuxTcpInfo } from '../../src/kernel/tcp-info.ts';
import { readError } from '../../src/sockets/ending.ts';
import type { MarkedHandle } from '../../src/sockets/hold-record.ts';
import { lossOf, silenceOf, stateOf } from '../../src/sockets/loss.ts';
import { pair } from '../helpers/connection.ts';
import { handleOf } from '../helpers/handle-of.ts';
import { packageOn } from '../helpers/package-on.ts';

// Real losses are in events.test.ts.

const { ETIMEDOUT, EHOSTUNREACH, ENETUNREACH, ENETDOWN, ECONNRESET } = constants.errno;

const idle = {
  state: 'CLOSE',
  retransmits: 0,
  unacked: 0,
  sendWindow: 65_536,
  notSentBytes: 0,
  lastDataReceived: 9_000,
  lastAckReceived: 8_000,
} as LinuxTcpInfo;

test.each([
  { info: idle, state: 'idle' },
  { info: { ...idle, retransmits: 1 }, state: 'unacknowledged' },
  { info: { ...idle, unacked: 1 }, state: 'unacknowledged' },
  { info: { ...idle, sendWindow: 0, notSentBytes: 1 }, state: 'zeroWindow' },
  { info: { ...idle, sendWindow: 0 }, state: 'idle' },
  { info: { ...idle, notSentBytes: 1 }, state: 'idle' },
])('the state is $state', ({ info, state }) => {
  expect(stateOf(info)).toBe(state);
});

test.each([
  { info: idle, silence: 8_000 },
  { info: { ...idle, lastAckReceived: 10_000 }, silence: 9_000 },
])('silence counts from the last byte or ACK', ({ info, silence }) => {
  expect(silenceOf(info)).toBe(silence);
});

/** The file, and a kernel that tells this of every connection. */
async function told(info: LinuxTcpInfo, userTimeout = 0) {
  vi.doMock('../../src/kernel/tcp-info.ts', () => ({ hasTcpInfo: true, readTcpInfo: () => info }));
  vi.doMock('../../src/kernel/settings.ts', () => ({ readSettings: () => ({ userTimeout }) }));
  vi.resetModules();
  onTestFinished(() => {
    vi.doUnmock('../../src/kernel/tcp-info.ts');
    vi.doUnmock('../../src/kernel/settings.ts');
    vi.resetModules();
  });
  return import('../../src/sockets/loss.ts');
}

describe('a connection is lost', () => {
  test.each<{ by: string; info: LinuxTcpInfo; userTimeout?: number; errno?: number; state?: string }>([
    { by: 'keepalive', info: idle },
    { by: 'userTimeout', info: idle, userTimeout: 5_000 },
    { by: 'retransmission', info: { ...idle, retransmits: 1 }, state: 'unacknowledged' },
    { by: 'reaper', info: { ...idle, state: 'ESTABLISHED' }, userTimeout: 5_000 },
    { by: 'icmp', info: { ...idle, state: 'ESTABLISHED' }, userTimeout: 5_000, errno: EHOSTUNREACH },
  ])('by $by', async ({ by, info, userTimeout, errno = ETIMEDOUT, state = 'idle' }) => {
    const { lossOf } = await told(info, userTimeout);
    const { client } = await pair();
    const error = readError(-errno);
    const peer = { address: '127.0.0.1', port: client.remotePort };
    expect(lossOf(client, handleOf(client) as MarkedHandle, error)).toStrictEqual({
      peer,
      error,
      state,
      timer: by,
      silence: 8_000,
    });
  });

  test('while it connects, without an answer that could be long ago', async () => {
    const { lossOf } = await told({ ...idle, retransmits: 3 });
    const { client } = await pair();
    const error = Object.assign(readError(-ETIMEDOUT), { syscall: 'connect' });
    const loss = lossOf(client, handleOf(client) as MarkedHandle, error);
    expect(loss).toMatchObject({ error, state: 'connecting', timer: 'retransmission' });
    expect(loss).not.toHaveProperty('silence');
  });

  test('by the last of the addresses that were tried', async () => {
    const { client } = await pair();
    const handle = handleOf(client) as MarkedHandle;
    const connects = (errno: number) => Object.assign(readError(-errno), { syscall: 'connect' });
    const [refused, timedOut] = [connects(constants.errno.ECONNREFUSED), connects(ETIMEDOUT)];
    const tried = new AggregateError([refused, timedOut]);
    expect(lossOf(client, handle, tried)).toMatchObject({ error: tried });
    expect(lossOf(client, handle, new AggregateError([timedOut, refused]))).toBeUndefined();
    expect(lossOf(client, handle, new AggregateError([]))).toBeUndefined();
  });

  test.each([ETIMEDOUT, EHOSTUNREACH, ENETUNREACH, ENETDOWN])('with error number %d', async (errno) => {
    const { client } = await pair();
    expect(lossOf(client, handleOf(client) as MarkedHandle, readError(-errno))).toBeDefined();
  });

  test.each([
    { how: 'by its peer', error: readError(-ECONNRESET) },
    // Drivers give their own timeouts the code of the kernel's.
    { how: 'by a driver', error: Object.assign(new Error('too slow'), { code: 'ETIMEDOUT' }) },
  ])('not if it was ended $how', async ({ error }) => {
    const { client } = await pair();
    expect(lossOf(client, handleOf(client) as MarkedHandle, error)).toBeUndefined();
  });

  test('also if the kernel tells nothing of it: the handle is closed', async () => {
    const { client } = await pair();
    const handle = handleOf(client) as MarkedHandle;
    const { remotePort: port, remoteAddress: address } = client;
    client.destroy();
    const error = readError(-ETIMEDOUT);
    expect(lossOf(client, handle, error)).toStrictEqual({ peer: { address, port }, error });
  });

  test('also if the kernel tells nothing of it: it has no TCP_INFO', async () => {
    await packageOn('darwin');
    const { lossOf } = await import('../../src/sockets/loss.ts');
    const { client } = await pair();
    const { remotePort: port, remoteAddress: address } = client;
    const error = readError(-ETIMEDOUT);
    const loss = lossOf(client, handleOf(client) as MarkedHandle, error);
    expect(loss).toStrictEqual({ peer: { address, port }, error });
  });
});

import net from 'node:net';
import { beforeEach, describe, expect, test } from 'vitest';
import { type MarkedHandle, REAPER, WATCHED } from '../../src/sockets/hold-record.ts';
import { noLooks } from '../../src/sockets/overdue.ts';
import { reaper, unwatch, watch, watchedOf } from '../../src/sockets/watched.ts';
import { connection } from '../helpers/connection.ts';
import { handleOf } from '../helpers/handle-of.ts';
import { tlsPair } from '../helpers/tls-pair.ts';

beforeEach(() => {
  delete (globalThis as { [REAPER]?: unknown })[REAPER];
});

const handle = (socket: net.Socket) => handleOf(socket) as MarkedHandle;

/** As many sockets as no test can open, of which only the handle is looked at. */
function sockets(count: number, fd: number): net.Socket[] {
  return Array.from({ length: count }, () => ({ _handle: { fd } }) as unknown as net.Socket);
}

const OPEN = 5;
const CLOSED = -1;

describe('the reaper of a thread', () => {
  test('is one, and does nothing until somebody asks', () => {
    expect(reaper()).toBe(reaper());
    expect(reaper()).toMatchObject({ asked: undefined, isNeeded: false, timer: undefined });
  });

  test('forgets at a thousand what was closed past this library', () => {
    for (const socket of sockets(999, CLOSED)) watch(socket);
    expect(reaper().watched.size).toBe(999);
    for (const socket of sockets(1, OPEN)) watch(socket);
    expect(reaper().watched.size).toBe(1);
    for (const socket of sockets(998, CLOSED)) watch(socket);
    expect(reaper().watched.size).toBe(999);
  });

  test('and then once as many are closed as are open', () => {
    for (const socket of sockets(1_000, OPEN)) watch(socket);
    for (const socket of sockets(999, CLOSED)) watch(socket);
    expect(reaper().watched.size).toBe(1_999);
    for (const socket of sockets(1, CLOSED)) watch(socket);
    expect(reaper().watched.size).toBe(1_000);
  });
});

describe('a connection', () => {
  test('is watched by its handle, which has no record until the first look', async () => {
    const socket = await connection();
    watch(socket);
    expect([...reaper().watched]).toEqual([handle(socket)]);
    expect(handle(socket)[WATCHED]).toBeUndefined();
    const record = watchedOf(handle(socket));
    expect(record).toEqual({
      reader: undefined,
      inherited: undefined,
      looks: noLooks(),
      bytesRead: 0,
      bytesWritten: 0,
      isTold: false,
    });
    expect(watchedOf(handle(socket))).toBe(record);
    unwatch(handle(socket));
    expect(reaper().watched.size).toBe(0);
  });

  test('without a handle is not', () => {
    watch(new net.Socket());
    expect(reaper().watched.size).toBe(0);
  });

  test('keeps what it has from its listener', async () => {
    const socket = await connection();
    watch(socket, { count: 3 });
    expect(handle(socket)[WATCHED]).toMatchObject({ inherited: { count: 3 }, reader: undefined });
  });

  test('under TLS is known with the handle that is read, also if TLS is started later', async () => {
    const { client, server, close } = await tlsPair('127.0.0.1', (port) => {
      const under = net.connect(port, '127.0.0.1');
      watch(under, { count: 3 });
      return under;
    });
    try {
      watch(client);
      watch(server);
      for (const socket of [client, server]) {
        const tcp = [...reaper().watched].find(
          (each) => each === (handle(socket) as { _parent?: unknown })._parent,
        );
        expect(tcp?.[WATCHED]?.reader?.deref()).toBe(handle(socket));
      }
      // Whoever looks at the connection under it afterwards changes nothing.
      const tcp = (handle(client) as { _parent?: MarkedHandle })._parent as MarkedHandle;
      watch({ _handle: tcp } as unknown as net.Socket);
      expect(tcp[WATCHED]).toMatchObject({ inherited: { count: 3 } });
      expect(tcp[WATCHED]?.reader?.deref()).toBe(handle(client));
    } finally {
      await close();
    }
  });
});

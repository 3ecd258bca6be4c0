import { once } from 'node:events';
import http2 from 'node:http2';
import net from 'node:net';
import { expect, test } from 'vitest';
import { SOCKETS } from '../../src/sockets/hold-record.ts';
import { listedSockets, listSocket, newSocketList, socketListOf } from '../../src/sockets/socket-list.ts';
import { listen } from '../helpers/listen.ts';

const destroyed = () => new net.Socket().destroy();

/** A list of so many sockets that are closed, after some that are open and stay referred to. */
function listOf({ open = [], closed }: { open?: readonly net.Socket[]; closed: number }) {
  const list = newSocketList();
  for (const socket of open) listSocket(list, socket);
  for (let n = 0; n < closed; n++) listSocket(list, destroyed());
  return list;
}

const sockets = (count: number) => Array.from({ length: count }, () => new net.Socket());

test('a list is found on its target, and nothing else that is there', () => {
  const list = newSocketList();
  expect(socketListOf({ [SOCKETS]: list })).toBe(list);
  expect(socketListOf({ [SOCKETS]: {} })).toBeUndefined();
  expect(socketListOf({})).toBeUndefined();
});

test('closed sockets are removed once there are sixteen', () => {
  const [socket] = sockets(1) as [net.Socket];
  const list = listOf({ closed: 15 });
  expect(list.references).toHaveLength(15);
  listSocket(list, socket);
  expect(list.references.map((reference) => reference.deref())).toEqual([socket]);
  for (let n = 0; n < 14; n++) listSocket(list, destroyed());
  expect(list.references).toHaveLength(15);
  listSocket(list, destroyed());
  expect(list.references).toHaveLength(1);
});

test('and then once as many are closed as are open', () => {
  const open = sockets(16);
  const list = listOf({ open, closed: 15 });
  expect(list.references).toHaveLength(31);
  listSocket(list, destroyed());
  expect(list.references).toHaveLength(16);
});

test('a socket that is listed twice is seen once, and a closed one is not', () => {
  const [socket, other] = sockets(2) as [net.Socket, net.Socket];
  const list = listOf({ open: [socket, other, socket], closed: 1 });
  expect(listedSockets(list)).toEqual([socket, other]);
  other.destroy();
  expect(listedSockets(list)).toEqual([socket]);
});

test('a socket that is collected is not', () => {
  const [socket] = sockets(1) as [net.Socket];
  const list = listOf({ open: [socket], closed: 0 });
  list.references.unshift({ deref: () => undefined } as WeakRef<net.Socket>);
  expect(listedSockets(list)).toEqual([socket]);
});

test('nor is that of an http2 session which is destroyed', async () => {
  const session = http2.connect(`http://127.0.0.1:${await listen(http2.createServer() as never)}`);
  await once(session, 'connect');
  const list = listOf({ open: [session.socket as net.Socket], closed: 0 });
  expect(listedSockets(list)).toHaveLength(1);
  session.destroy();
  await once(session, 'close');
  expect(listedSockets(list)).toEqual([]);
});

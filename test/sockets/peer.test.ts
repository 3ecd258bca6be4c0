import { once } from 'node:events';
import net from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { notePeer, peerOf, rememberPeer } from '../../src/sockets/peer.ts';
import { pair } from '../helpers/connection.ts';
import { listen } from '../helpers/listen.ts';

function connecting(host: string, port: number): net.Socket {
  const socket = net.connect({ port, host, autoSelectFamily: false, family: 4 }).on('error', () => {});
  onTestFinished(() => void socket.destroy());
  return socket;
}

test('the peer of a connection is its address and its port', async () => {
  const { client } = await pair();
  expect(peerOf(client)).toStrictEqual({ address: '127.0.0.1', port: client.remotePort });
});

test('and its name, if one was looked up', async () => {
  const port = await listen(net.createServer());
  const socket = connecting('localhost', port);
  await once(socket, 'connect');
  expect(peerOf(socket)).toStrictEqual({ host: 'localhost', address: '127.0.0.1', port });
});

test('a socket that goes nowhere has none', () => {
  const socket = new net.Socket();
  notePeer(socket, '127.0.0.1', 5432);
  expect(peerOf(socket)).toStrictEqual({});
});

test('one that was noted is known before the connection is made', async () => {
  const socket = connecting('127.0.0.1', await listen(net.createServer()));
  notePeer(socket, '192.0.2.1', 5432);
  expect(peerOf(socket)).toStrictEqual({ address: '192.0.2.1', port: 5432 });
});

test('of one with a name only the port is noted', async () => {
  const socket = connecting('localhost', await listen(net.createServer()));
  await once(socket, 'lookup');
  notePeer(socket, '192.0.2.1', 5432);
  expect(peerOf(socket)).toStrictEqual({ host: 'localhost', port: 5432 });
});

test('the real one comes before one that was noted', async () => {
  const { client } = await pair();
  notePeer(client, '192.0.2.1', 5432);
  expect(peerOf(client)).toStrictEqual({ address: '127.0.0.1', port: client.remotePort });
});

test('one that is remembered stays known when the connection is closed', async () => {
  const [first, second] = [await pair(), await pair()];
  const { remotePort } = first.client;
  rememberPeer(first.client);
  for (const { client } of [first, second]) client.destroy();
  expect(peerOf(first.client)).toStrictEqual({ address: '127.0.0.1', port: remotePort });
  expect(peerOf(second.client)).toStrictEqual({});
});

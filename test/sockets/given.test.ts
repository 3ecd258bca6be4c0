import { constants } from 'node:os';
import { expect, test } from 'vitest';
import { readError } from '../../src/sockets/ending.ts';
import { noteGiven } from '../../src/sockets/given.ts';
import { EXPLICIT, GIVEN, type Hold, type MarkedHandle } from '../../src/sockets/hold-record.ts';
import { peerOf } from '../../src/sockets/peer.ts';
import { pair } from '../helpers/connection.ts';
import { handleOf } from '../helpers/handle-of.ts';
import { heard } from '../helpers/heard.ts';

const options = { enable: true } as const;
const given: Hold = {
  settings: options,
  rank: EXPLICIT,
  onError: undefined,
  owner: { released: false, name: 'keepAliveServer' },
  listens: false,
};
const by = { rank: 'explicit', name: 'keepAliveServer' };
const timedOut = () => readError(-constants.errno.ETIMEDOUT);

test('the loss of an accepted connection without a hold is announced, with its peer', async () => {
  const lost = heard('lost');
  const set = heard('set');
  const { server, client } = await pair();
  const peer = { address: '127.0.0.1', port: client.localPort };
  noteGiven(server, given);
  const error = timedOut();
  server.destroy(error);
  await new Promise((resolve) => server.once('close', resolve));
  expect(lost.of(server)).toMatchObject([{ by, options, error, peer }]);
  // It has its options from its listener.
  expect(set.of(server)).toEqual([]);
});

test('its peer stays known after it is closed', async () => {
  heard('lost');
  const { server, client } = await pair();
  const { localPort } = client;
  noteGiven(server, given);
  server.destroy();
  expect(peerOf(server)).toMatchObject({ address: '127.0.0.1', port: localPort });
});

test('that it was set itself is announced, and that it is not held', async () => {
  const set = heard('set');
  const { server } = await pair();
  noteGiven(server, given, true);
  expect(set.of(server)).toEqual([{ socket: server, by, options, held: false }]);
});

test('nothing is noted on it for nobody', async () => {
  const { server } = await pair();
  const handle = handleOf(server) as MarkedHandle;
  noteGiven(server, given);
  expect(handle[GIVEN]).toBeUndefined();
  expect(Object.hasOwn(handle, 'close')).toBe(false);
});

import { expect, test } from 'vitest';
import { DRIVER, EXPLICIT, holderOf } from '../../src/sockets/hold-record.ts';

test('a hold is named by its owner, or by the call that makes one without', () => {
  expect(holderOf({ rank: DRIVER, owner: { released: false, name: 'keepAlivePg' } })).toEqual({
    rank: 'driver',
    name: 'keepAlivePg',
  });
  expect(holderOf({ rank: EXPLICIT, owner: undefined })).toEqual({ rank: 'explicit', name: 'keepAlive' });
});

import { constants } from 'node:os';
import { describe, expect, test } from 'vitest';
import { recordedLibc } from '../helpers/recorded-libc.ts';

// Which packets are dropped is tested on real sockets, in test/testing/vanish.test.ts.
const ttl = { level: 0, name: 21 };
const hops = { level: 41, name: 73 };

async function deafness() {
  const recorded = recordedLibc();
  const { setDeaf } = await import('../../src/kernel/deaf.ts');
  return { ...recorded, setDeaf };
}

describe('a descriptor', () => {
  test('is made deaf in both families, and hears again', async () => {
    const { setDeaf, calls } = await deafness();
    setDeaf(7, true);
    setDeaf(7, false);
    expect(calls).toEqual([
      { ...ttl, value: 255 },
      { ...hops, value: 255 },
      { ...ttl, value: 0 },
      { ...hops, value: 0 },
    ]);
  });

  test('of IPv4 lacks the option of IPv6', async () => {
    const { setDeaf, calls, failures } = await deafness();
    failures.set(hops.name, constants.errno.ENOPROTOOPT);
    expect(() => setDeaf(7, true)).not.toThrow();
    expect(calls).toHaveLength(2);
  });

  test.each([ttl, hops])('is told of every other refusal: option $name', async ({ name }) => {
    const { setDeaf, failures } = await deafness();
    failures.set(name, constants.errno.EPERM);
    expect(() => setDeaf(7, true)).toThrow(expect.objectContaining({ code: 'EPERM' }));
  });
});

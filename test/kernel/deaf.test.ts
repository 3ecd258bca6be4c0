import { constants } from 'node:os';
import { describe, expect, test, vi } from 'vitest';
import { connection } from '../helpers/connection.ts';
import { fdOf } from '../helpers/raw-options.ts';
import { recordedLibc } from '../helpers/recorded-libc.ts';

// Which packets are dropped is tested on real sockets, in test/testing/vanish.test.ts.
const ttl = { level: 0, name: 21 };
const hops = { level: 41, name: 73 };

async function deafness() {
  vi.resetModules();
  const recorded = recordedLibc();
  return { ...recorded, ...(await import('../../src/kernel/deaf.ts')) };
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

  test('hears again as it did before', async () => {
    const { setHearing, calls } = await deafness();
    setHearing(7, { ttl: 254, hops: 3 });
    expect(calls).toEqual([
      { ...ttl, value: 254 },
      { ...hops, value: 3 },
    ]);
  });

  test.each([
    { has: [0, 0], hearing: { ttl: 0, hops: 0 } },
    { has: [254, 3], hearing: { ttl: 254, hops: 3 } },
    { has: [255, 0], hearing: undefined },
    { has: [0, 255], hearing: undefined },
  ])(
    'tells what it hears: a least TTL and hop count of $has',
    async ({ has: [leastTtl = 0, leastHops = 0], hearing }) => {
      const { readHearing, answers } = await deafness();
      answers.set(ttl.name, leastTtl).set(hops.name, leastHops);
      expect(readHearing(7)).toEqual(hearing);
    },
  );

  test('of IPv4 tells it too, and whatever else is refused', async () => {
    const { readHearing, answers, failures } = await deafness();
    answers.set(ttl.name, 254);
    failures.set(hops.name, constants.errno.ENOPROTOOPT);
    expect(readHearing(7)).toEqual({ ttl: 254, hops: 0 });
    failures.set(hops.name, constants.errno.EPERM);
    expect(() => readHearing(7)).toThrow(expect.objectContaining({ code: 'EPERM' }));
  });
});

test.runIf(process.platform === 'linux')('a real connection hears everything until it is deaf', async () => {
  const { setDeaf, readHearing } = await import('../../src/kernel/deaf.ts');
  const fd = fdOf(await connection());
  const everything = readHearing(fd);
  expect(everything).toEqual({ ttl: 0, hops: 0 });
  setDeaf(fd, true);
  expect(readHearing(fd)).toBeUndefined();
  setDeaf(fd, false);
  expect(readHearing(fd)).toEqual(everything);
});

import { expect, test } from 'vitest';
import { loadKoffi } from '../../native-bindings/load-koffi.ts';
import { allocate } from '../../native-bindings/memory.ts';

const koffi = loadKoffi();

test('the addresses of native memory are numbers, which koffi has not to convert', () => {
  const { buffer, at } = allocate(koffi, 16);
  expect(new Uint8Array(buffer)).toEqual(new Uint8Array(16));
  expect(at(0)).toSatisfy(Number.isSafeInteger);
  expect(Number(at(8)) - Number(at(0))).toBe(8);
});

test.each([
  { address: 2n ** 53n - 17n, isNumber: true },
  { address: 2n ** 53n - 16n, isNumber: false },
  // Android keeps a tag in the highest byte.
  { address: 0xb400_0000_0000_0001n, isNumber: false },
])('no address is rounded: $address', ({ address, isNumber }) => {
  const { at } = allocate({ ...koffi, address: () => address }, 16);
  expect(at(7)).toBe(isNumber ? Number(address + 7n) : address + 7n);
});

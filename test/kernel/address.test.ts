import net from 'node:net';
import { expect, test } from 'vitest';
import { textOfIpv4, textOfIpv6 } from '../../src/kernel/address.ts';

/** Eight groups as bytes, after two others. */
function bytesOf(groups: readonly number[]): Uint8Array {
  return Uint8Array.from([7, 7, ...groups.flatMap((group) => [group >> 8, group & 0xff])]);
}

test('four bytes are an address of IPv4', () => {
  expect(textOfIpv4(Uint8Array.from([7, 10, 20, 30, 255]), 1)).toBe('10.20.30.255');
});

// RFC 5952: the longest run of two zeros or more is left out, of equal ones the first.
test.each<[groups: number[], text: string]>([
  [[0, 0, 0, 0, 0, 0, 0, 0], '::'],
  [[0, 0, 0, 0, 0, 0, 0, 1], '::1'],
  [[1, 0, 0, 0, 0, 0, 0, 0], '1::'],
  [[0x2001, 0xdb8, 0, 0, 0, 0, 0, 0xabcd], '2001:db8::abcd'],
  [[0x2001, 0xdb8, 0, 1, 1, 1, 1, 1], '2001:db8:0:1:1:1:1:1'],
  [[0x2001, 0xdb8, 0, 0, 1, 0, 0, 1], '2001:db8::1:0:0:1'],
  [[0x2001, 0, 0, 1, 0, 0, 0, 1], '2001:0:0:1::1'],
  [[1, 2, 3, 4, 5, 6, 0, 0], '1:2:3:4:5:6::'],
  [[0xfedc, 0xba98, 0x7654, 0x3210, 0x10, 0x1f, 0xa0, 0x100], 'fedc:ba98:7654:3210:10:1f:a0:100'],
  [[0, 0, 0, 0, 0, 0xffff, 0x7f00, 0x0102], '::ffff:127.0.1.2'],
  [[1, 0, 0, 0, 0, 0xffff, 0x7f00, 0x0102], '1::ffff:7f00:102'],
  [[0, 0, 0, 0, 1, 0xffff, 0x7f00, 0x0102], '::1:ffff:7f00:102'],
  [[0, 0, 0, 0, 0, 0xfffe, 0x7f00, 0x0102], '::fffe:7f00:102'],
])('%j is %s', (groups, text) => {
  expect(textOfIpv6(bytesOf(groups), 2)).toBe(text);
  expect(net.isIPv6(text)).toBe(true);
});

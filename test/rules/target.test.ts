import net from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkHost, checkPort, isName } from '../../src/rules/target.ts';

function isHost(host: string): boolean {
  try {
    return checkHost(host) === host;
  } catch {
    return false;
  }
}

describe('a host', () => {
  test.each([
    'localhost',
    'db.internal',
    'db.internal.',
    'db_1',
    'datenbank-ä',
    '10.0.0.1',
    '255.255.255.255',
    '0.0.0.0/0',
    '10.0.0.0/32',
    '::',
    '::1',
    'FD00::1',
    '1:2:3:4:5:6:7:8',
    '::ffff:10.0.0.1',
    'fe80::1%eth0',
    'fd00::/128',
    '::/0',
  ])('may be %s', (host) => {
    expect(checkHost(host)).toBe(host);
  });

  test.each([
    '',
    ' ',
    'db internal',
    '*.internal',
    'db,other',
    'db;other',
    'db=other',
    'http://db',
    '10.0.0',
    '10.0.0.1.2',
    '10.0.0.256',
    '010.0.0.1',
    '10.0.0.1.',
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    '/8',
    'db/8',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '12345::',
    'fg00::1',
    '::ffff:10.0.0.256',
    '[::1]',
    '::1]:80/[',
    'fd00::/129',
    'fe80::1%',
    'fe80::1%a%b',
  ])('is not %j', (host) => {
    expect(() => checkHost(host)).toThrow(RangeError);
    expect(() => checkHost(host)).toThrow(
      "Expected a host's name, its address or a CIDR block such as 10.0.0.0/8, got `",
    );
  });

  test.each([undefined, null, 7, {}, ['db']])('is no %o', (host) => {
    expect(() => checkHost(host)).toThrow(TypeError);
  });

  test('is an address if Node says so', () => {
    const part = fc.oneof(
      fc.constantFrom('0', '1', '10', '255', '256', '01', '', '.', ':', '::', '%', '[', ']', '-1'),
      fc.integer({ min: 0, max: 0x1_0000 }).map((value) => value.toString(16)),
    );
    const addresses = fc.oneof(
      fc.ipV4(),
      fc.ipV6(),
      fc.array(part, { maxLength: 5 }).map((parts) => parts.join('.')),
      fc.array(part, { maxLength: 10 }).map((parts) => parts.join(':')),
      fc.tuple(fc.ipV6(), part).map(([address, rest]) => address + rest),
    );
    fc.assert(
      fc.property(addresses, (host) => {
        expect(isHost(host)).toBe(net.isIP(host) !== 0 || isName(host));
      }),
      { numRuns: 5_000 },
    );
  });
});

describe('ports', () => {
  test.each([
    [1, [1, 1]],
    [65_535, [65_535, 65_535]],
    ['1-65535', [1, 65_535]],
    ['80-80', [80, 80]],
    [{ from: 5000, to: 5999 }, [5000, 5999]],
  ])('%j', (port, range) => {
    expect(checkPort(port)).toEqual(range);
  });

  test.each([
    [{ from: 0, to: 80 }, RangeError, 'Expected a port from 1 to 65535, got `0` (number)'],
    [{ from: 80, to: 65_536 }, RangeError, 'Expected a port from 1 to 65535, got `65536` (number)'],
    [{ from: 80.5, to: 90 }, RangeError, 'Expected a port from 1 to 65535, got `80.5` (number)'],
    [{ from: 80, to: Number.NaN }, RangeError, 'Expected a port from 1 to 65535, got `NaN` (number)'],
    [{ from: '80', to: 90 }, TypeError, 'Expected a port from 1 to 65535, got `80` (string)'],
    [{ to: 90 }, TypeError, 'Expected a port from 1 to 65535, got undefined'],
    ['80-65536', RangeError, 'Expected a port from 1 to 65535, got `65536` (number)'],
    ['90-80', RangeError, 'got 90 and 80; did you mean 80-90?'],
    ['80-', TypeError, "or a range such as '5000-5999', got `80-` (string)"],
    [[80, 90], TypeError, "Expected a port or a range, got an array; write '80-90'"],
  ])('are not %j', (port, type, message) => {
    expect(() => checkPort(port)).toThrow(type);
    expect(() => checkPort(port)).toThrow(message);
  });
});

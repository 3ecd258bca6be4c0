import { describe, expect, it, onTestFinished, test, vi } from 'vitest';
import { type Connection, compileRules, type KeepAliveRule, speaksOf } from '../../src/rules/rule.ts';
import { firstFor, RulesByPort } from '../../src/rules/rules-by-port.ts';

const outgoing = (address: string, port = 5432, host?: string): Connection => ({
  side: 'client',
  host,
  address,
  port,
});
const accepted = (address: string, port: number): Connection => ({ side: 'server', address, port });

function decide(rule: Omit<KeepAliveRule, 'use'>, connection: Connection): boolean {
  const [compiled] = compileRules([{ ...rule, use: 'database' }]);
  if (compiled === undefined) throw new Error('no rule');
  return firstFor([{ rules: new RulesByPort([{ rule: compiled }]) }], connection) !== undefined;
}

describe('which connections a rule is for', () => {
  test.each<[Omit<KeepAliveRule, 'use'>, Connection, boolean]>([
    [{}, outgoing('10.0.0.1'), true],
    [{}, accepted('10.0.0.1', 80), true],
    [{ side: 'client' }, outgoing('10.0.0.1'), true],
    [{ side: 'client' }, accepted('10.0.0.1', 80), false],
    [{ side: 'server' }, outgoing('10.0.0.1'), false],
    [{ side: 'server' }, accepted('10.0.0.1', 80), true],
    [{ port: 5432 }, outgoing('10.0.0.1'), true],
    [{ port: 5433 }, outgoing('10.0.0.1'), false],
    [{ port: '5000-5432' }, outgoing('10.0.0.1'), true],
    [{ port: '5432-5432' }, outgoing('10.0.0.1'), true],
    [{ port: '5433-6000' }, outgoing('10.0.0.1'), false],
    [{ port: { from: 5000, to: 5432 } }, outgoing('10.0.0.1'), true],
    [{ port: { from: 5000, to: 5431 } }, outgoing('10.0.0.1'), false],
    [{ port: [5000, 6000] }, outgoing('10.0.0.1'), false],
    [{ port: [5432, 6000] }, outgoing('10.0.0.1'), true],
    [{ port: [5000, 5001, 6000] }, outgoing('10.0.0.1'), false],
    [{ port: [80, 443, '5000-6000'] }, outgoing('10.0.0.1'), true],
    [{ port: [80, { from: 5000, to: 5001 }] }, outgoing('10.0.0.1'), false],
    [{ host: '10.0.0.1' }, outgoing('10.0.0.1'), true],
    [{ host: '10.0.0.1' }, outgoing('10.0.0.2'), false],
    [{ host: '10.0.0.1' }, outgoing('::ffff:10.0.0.1'), true],
    [{ host: '10.0.0.0/8' }, outgoing('10.255.255.255'), true],
    [{ host: '10.0.0.0/8' }, outgoing('11.0.0.0'), false],
    [{ host: '10.0.0.0/8' }, outgoing('::ffff:10.1.2.3'), true],
    [{ host: '10.1.2.3/8' }, outgoing('10.9.9.9'), true],
    [{ host: '0.0.0.0/0' }, outgoing('192.0.2.1'), true],
    [{ host: 'fd00::/8' }, outgoing('fdff::1'), true],
    [{ host: 'fd00::/8' }, outgoing('fe80::1'), false],
    [{ host: 'fe80::/10' }, outgoing('fe80::1%eth0'), true],
    [{ host: 'fe80::1%eth0' }, outgoing('fe80::1%eth0'), true],
    [{ host: 'fe80::1%eth0' }, outgoing('fe80::1%eth1'), false],
    [{ host: 'fe80::1%eth0' }, outgoing('fe80::1'), false],
    [{ host: 'fe80::1' }, outgoing('fe80::1%eth1'), true],
    [{ host: '::/0' }, outgoing('fd00::1'), true],
    [{ host: '::/0' }, outgoing('10.0.0.1'), false],
    [{ host: '::/0' }, outgoing('::ffff:10.0.0.1'), false],
    [{ host: '0.0.0.0/0' }, outgoing('fd00::1'), false],
    [{ host: '::ffff:10.0.0.1' }, outgoing('10.0.0.1'), true],
    [{ host: '::ffff:10.0.0.0/104' }, outgoing('10.9.9.9'), true],
    [{ host: '::ffff:10.0.0.0/104' }, outgoing('11.0.0.0'), false],
    [{ host: '::FFFF:0a00:1' }, outgoing('10.0.0.1'), true],
    [{ host: '2001:db8::/33' }, outgoing('2001:db8:7fff::1'), true],
    [{ host: '2001:db8::/33' }, outgoing('2001:db8:8000::'), false],
    [{ host: '2001:db8:0:0:1::' }, outgoing('2001:db8::1:0:0:0'), true],
    [{ host: '64:ff9b::10.0.0.1' }, outgoing('64:ff9b::a00:1'), true],
    [{ host: '10.0.0.128/25' }, outgoing('10.0.0.127'), false],
    [{ host: '10.0.0.128/25' }, outgoing('10.0.0.128'), true],
    [{ host: '255.255.255.255/32' }, outgoing('255.255.255.255'), true],
    [{ host: 'bücher.example' }, outgoing('10.0.0.1', 5432, 'xn--bcher-kva.example'), true],
    [{ host: 'xn--bcher-kva.example' }, outgoing('10.0.0.1', 5432, 'BÜCHER.example'), true],
    [{ host: '::1' }, outgoing('::1'), true],
    [{ host: '0:0:0:0:0:0:0:1' }, outgoing('::1'), true],
    [{ host: 'fd00::/8' }, outgoing('10.0.0.1'), false],
    [{ host: 'db.internal' }, outgoing('10.0.0.1', 5432, 'db.internal'), true],
    [{ host: 'DB.internal.' }, outgoing('10.0.0.1', 5432, 'db.Internal'), true],
    [{ host: 'db.internal' }, outgoing('10.0.0.1', 5432, 'db.internal.'), true],
    [{ host: 'internal' }, outgoing('10.0.0.1', 5432, 'db.internal'), false],
    [{ host: 'db.internal' }, outgoing('10.0.0.1'), false],
    [{ host: 'db.internal' }, accepted('10.0.0.1', 80), false],
    [{ host: ['db.internal', '192.168.0.0/16'] }, outgoing('192.168.3.4'), true],
    [{ host: ['db.internal', '192.168.0.0/16'] }, outgoing('10.0.0.1', 5432, 'db.internal'), true],
    [{ host: ['db.internal', '192.168.0.0/16'] }, outgoing('10.0.0.1', 5432, 'db'), false],
    [{ side: 'server', host: '10.0.0.0/8', port: 80 }, accepted('10.0.0.1', 80), true],
    [{ side: 'server', host: '10.0.0.0/8', port: 80 }, accepted('11.0.0.1', 80), false],
  ])('%o and %o: %s', (rule, connection, want) => {
    expect(decide(rule, connection)).toBe(want);
  });

  it('does not see later changes of what it was made of', () => {
    const port = [1, 5];
    const rule = { port, use: 'database' as const };
    const [compiled] = compileRules([rule]);
    port[1] = 2;
    expect(compiled && speaksOf(compiled, 'client', 5)).toBe(true);
  });
});

describe('mistakes', () => {
  test.each<[unknown, string]>([
    ['5432=database', 'Expected an array of rules, got `5432=database` (string)'],
    [[null], 'Expected an object { side, host, port, use }, got null (rule 1)'],
    [[{ use: 'database' }, 7], 'Expected an object { side, host, port, use }, got `7` (number) (rule 2)'],
    [
      [{ prt: 1, use: false }],
      'Expected `side`, `host`, `port`, `use`, got `prt`; did you mean `port`? (rule 1)',
    ],
    [[{ use: 'databse' }], 'did you mean `database`? (rule 1, `use`)'],
    [[{}], 'got undefined (rule 1, `use`)'],
    // biome-ignore lint/suspicious/noSparseArray: what is to be refused.
    [[{ use: false }, , { use: false }], 'got undefined (rule 2)'],
    // biome-ignore lint/suspicious/noSparseArray: what is to be refused.
    [[{ host: ['db', ,], use: false }], 'got undefined (rule 1, `host`)'],
    // biome-ignore lint/suspicious/noSparseArray: what is to be refused.
    [[{ port: [1, , 2], use: false }], 'got undefined (rule 1, `port`)'],
    [[{ 'a\nb': 1, use: false }], 'got `a\\nb` (rule 1)'],
    [[{ use: { initialDelay: 60 } }], 'did you mean 60000? (rule 1, `use`)'],
    [[{ side: 'both', use: false }], "Expected 'client' or 'server', got `both` (string) (rule 1, `side`)"],
    [[{ side: 'server', host: 'db', use: false }], "beside 'server', got a name"],
    [[{ port: 0, use: false }], 'Expected a port from 1 to 65535, got `0` (number) (rule 1, `port`)'],
    [[{ port: 65_536, use: false }], 'got `65536` (number)'],
    [[{ port: 1.5, use: false }], 'got `1.5` (number)'],
    [
      [{ port: '5432', use: false }],
      "Expected a port from 1 to 65535, or a range such as '5000-5999', got `5432` (string) (rule 1, `port`)",
    ],
    [[{ port: '6379-5432', use: false }], 'did you mean 5432-6379? (rule 1, `port`)'],
    [[{ port: { from: 1, too: 2 }, use: false }], 'got `too`; did you mean `to`? (rule 1, `port`)'],
    [[{ port: { from: 1 }, use: false }], 'Expected a port from 1 to 65535, got undefined (rule 1, `port`)'],
    [[{ port: [[1, 2, 3]], use: false }], 'Expected a port or a range, got an array (rule 1, `port`)'],
    [[{ port: [[5432, 5439]], use: false }], "got an array; write '5432-5439' (rule 1, `port`)"],
    [[{ port: [[80, 80], 443], use: false }], 'got an array; write 80 (rule 1, `port`)'],
    [[{ port: [], use: false }], 'got an empty array (rule 1, `port`)'],
    [[{ host: [], use: false }], 'got an empty array (rule 1, `host`)'],
    [[{ host: null, use: false }], 'got null (rule 1, `host`)'],
    [
      [{ host: 7, use: false }],
      "Expected a host's name, its address or a CIDR block such as 10.0.0.0/8, got `7` (number)",
    ],
  ])('%o', (rules, message) => {
    let thrown: unknown;
    try {
      compileRules(rules);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({
      code: 'ERR_KEEPALIVE_INVALID_OPTION',
      message: expect.stringContaining(message),
    });
  });
});

describe('a list of two ports, which was a range', () => {
  const warnings = async (ports: readonly (readonly number[])[]) => {
    vi.resetModules();
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    onTestFinished(() => warn.mockRestore());
    const fresh = await import('../../src/rules/rule.ts');
    for (const port of ports) fresh.compileRules([{ port, use: false }]);
    return warn.mock.calls;
  };

  test('is named in one warning', async () => {
    expect(
      await warnings([
        [5432, 6379],
        [80, 443],
      ]),
    ).toEqual([
      [
        "The rule with `port` [5432, 6379] is for these two ports; it was 5432 to 6379; write '5432-6379' for that",
        { type: 'KeepAliveWarning', code: 'ERR_KEEPALIVE_TWO_PORTS' },
      ],
    ]);
  });

  test('is not named if it means the same, or was refused', async () => {
    expect(await warnings([[80], [80, 80], [80, 81], [443, 80], [80, 443, 8080]])).toEqual([]);
  });
});

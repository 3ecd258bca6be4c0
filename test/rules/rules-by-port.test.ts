import { describe, expect, it } from 'vitest';
import { type Connection, compileRules, type KeepAliveRule } from '../../src/rules/rule.ts';
import { firstFor, RulesByPort } from '../../src/rules/rules-by-port.ts';

/** The number of the rule that decides, from 1. */
function numberFor(hosts: readonly KeepAliveRule['host'][], peer: Partial<Connection>): number | undefined {
  const compiled = compileRules(hosts.map((host) => ({ host, use: 'database' })));
  const set = { rules: new RulesByPort(compiled.map((rule) => ({ rule }))) };
  const found = firstFor([set], { side: 'client', address: '192.0.2.1', port: 5432, ...peer });
  return found && compiled.indexOf(found.rule) + 1;
}

describe('the first rule that is for a peer decides', () => {
  it.each([
    ['a network before a name', ['10.0.0.0/8', 'db'], { host: 'db', address: '10.1.2.3' }, 1],
    ['a name before a network', ['db', '10.0.0.0/8'], { host: 'db', address: '10.1.2.3' }, 1],
    ['the second of two names', ['a', 'b'], { host: 'b' }, 2],
    ['the first of two rules with one name', ['db', 'DB.'], { host: 'db' }, 1],
    [
      'the narrower of two networks, if it is first',
      ['10.1.0.0/16', '10.0.0.0/8'],
      { address: '10.1.2.3' },
      1,
    ],
    ['the wider of two networks, if it is first', ['10.0.0.0/8', '10.1.0.0/16'], { address: '10.1.2.3' }, 1],
    ['the wider one beside the narrower', ['10.1.0.0/16', '10.0.0.0/8'], { address: '10.2.2.3' }, 2],
    ['any peer before a name', [undefined, 'db'], { host: 'db' }, 1],
    ['a name before any peer', ['db', undefined], { host: 'db' }, 1],
    ['any peer after networks of the other family', ['fd00::/8', undefined], { address: '10.1.2.3' }, 2],
    ['IPv6 after IPv4', ['10.0.0.0/8', 'fd00::/8'], { address: 'fd12::1' }, 2],
    ['a mapped address as one of IPv4', ['fd00::/8', '10.0.0.0/8'], { address: '::ffff:10.1.2.3' }, 2],
    ['the interface that is named', ['fe80::1%eth1', 'fe80::1%eth0'], { address: 'fe80::1%eth0' }, 2],
    ['none', ['10.0.0.0/8', 'db'], { host: 'other', address: '192.0.2.1' }, undefined],
    ['none of no rules', [], {}, undefined],
  ] as const)('%s', (_, hosts, peer, number) => {
    expect(numberFor(hosts, peer)).toBe(number);
  });

  it('of the later set of rules, if none of the earlier set is for the peer', () => {
    const setOf = (host: string) => {
      const [rule] = compileRules([{ host, use: 'database' }]);
      return { rules: new RulesByPort(rule === undefined ? [] : [{ rule }]) };
    };
    const [earlier, later] = [setOf('10.0.0.0/8'), setOf('192.0.2.0/24')];
    const found = firstFor([earlier, later], { side: 'client', address: '192.0.2.1', port: 1 });
    expect(found).toBe(later.rules.all[0]);
  });

  it('of those for its port', () => {
    const compiled = compileRules([
      { port: 1, use: 'database' },
      { port: 2, use: 'tunnel' },
    ]);
    const set = { rules: new RulesByPort(compiled.map((rule) => ({ rule }))) };
    const at = (port: number) => firstFor([set], { side: 'client', address: '192.0.2.1', port })?.rule;
    expect([at(1), at(2), at(3), at(1)]).toEqual([compiled[0], compiled[1], undefined, compiled[0]]);
  });
});

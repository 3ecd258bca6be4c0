import { describe, expect, it, test } from 'vitest';
import { presets } from '../../src/options/presets.ts';
import { rulesByPort } from '../../src/rules/by-port.ts';
import { compileRules, type KeepAliveRule } from '../../src/rules/rule.ts';
import { parseRuleText, ruleText } from '../../src/rules/text.ts';

const parse = (text: string) => parseRuleText(text, 'TCP_KEEPALIVE').rules;

it('reads every form', () => {
  const text =
    '5432=database; 10.0.0.0/8:6379=database; [fd00::/8]:6379=fastFailover; listen:8080=websocket; 9090=off; *=loadBalancer';
  expect(parse(text)).toEqual<KeepAliveRule[]>([
    { side: 'client', port: 5432, use: 'database' },
    { side: 'client', host: '10.0.0.0/8', port: 6379, use: 'database' },
    { side: 'client', host: 'fd00::/8', port: 6379, use: 'fastFailover' },
    { side: 'server', port: 8080, use: 'websocket' },
    { side: 'client', port: 9090, use: false },
    { side: 'client', use: 'loadBalancer' },
  ]);
});

test.each<[string, KeepAliveRule]>([
  [
    '5432=database,userTimeout=30s,count=4',
    { side: 'client', port: 5432, use: { ...presets.database, userTimeout: 30_000, count: 4 } },
  ],
  [
    '5432 = initialDelay=5s, interval=1s',
    { side: 'client', port: 5432, use: { initialDelay: 5_000, interval: 1_000 } },
  ],
  ['server.:8080=off', { side: 'client', host: 'server.', port: 8080, use: false }],
  ['5000-5999=database', { side: 'client', port: '5000-5999', use: 'database' }],
  ['db.internal=database', { side: 'client', host: 'db.internal', use: 'database' }],
  ['db.internal:5432=database', { side: 'client', host: 'db.internal', port: 5432, use: 'database' }],
  ['[::1]=off', { side: 'client', host: '::1', use: false }],
  ['10.0.0.1=off', { side: 'client', host: '10.0.0.1', use: false }],
  ['*:6379=database', { side: 'client', port: 6379, use: 'database' }],
  ['listen:*=websocket', { side: 'server', use: 'websocket' }],
  ['Listen:8080=websocket', { side: 'server', port: 8080, use: 'websocket' }],
  ['LISTEN: *=websocket', { side: 'server', use: 'websocket' }],
  ['listener=off', { side: 'client', host: 'listener', use: false }],
  ['listen:8000-8099=websocket', { side: 'server', port: '8000-8099', use: 'websocket' }],
  [' \t5432 = database ;\n', { side: 'client', port: 5432, use: 'database' }],
])('%j', (text, want) => {
  expect(parse(text)).toEqual([want]);
  expect(() => compileRules(parse(text))).not.toThrow();
});

test.each(['', ' ', ';', ' ; ;'])('%j has no rules', (text) => {
  expect(parse(text)).toEqual([]);
});

describe('a mistake is told in one line that points at it', () => {
  test.each<[string, string]>([
    ['5432', 'Expected target=use, such as 5432=database, got `5432` (TCP_KEEPALIVE, rule 1, character 1)'],
    ['5432=database 6379=off', 'Expected target=use, such as 5432=database, got `5432=database 6379=off`'],
    ['5432=database; 6379=databse', 'did you mean `database`? (TCP_KEEPALIVE, rule 2, character 21)'],
    ['5432=', 'got nothing'],
    ['=database', 'got `` (string) (TCP_KEEPALIVE, rule 1, character 1)'],
    ['5432=database;;  70000=off', 'got `70000` (number) (TCP_KEEPALIVE, rule 2, character 18)'],
    ['5999-5000=off', 'Expected the lower port of a range first'],
    ['db:x=off', 'Expected a port or a range such as 5000-5999, got `x`'],
    ['db:=off', 'Expected a port or a range such as 5000-5999, got nothing'],
    ['fd00::1=off', 'Expected an IPv6 address in brackets, such as [fd00::1]:6379, got `fd00::1`'],
    ['[fd00::1=off', 'Expected an IPv6 address in brackets'],
    ['[fd00::1]6379=off', 'Expected an IPv6 address in brackets'],
    ['10.0.0.0/33=off', 'got `10.0.0.0/33` (string)'],
    ['listen:127.0.0.1:80=off', 'Expected a port or a range such as 5000-5999, got `127.0.0.1:80`'],
    ['listen:=off', 'got nothing'],
    ['listen=off', 'Expected a port after `listen`, such as listen:8080 or listen:*, got `listen`'],
    ['Listen=off', 'got `Listen`'],
    ['listen:80\n81=off', 'Expected a port or a range such as 5000-5999, got `80\\n81`'],
    [
      '5432=database\n6379=off\n',
      'got `5432=database\\n6379=off`; rules are separated by semicolons (TCP_KEEPALIVE, rule 1, character 1)',
    ],
    ['5432=data\r\u2028base', 'rule 1, character 6)'],
    ['*.internal=off', 'got `*.internal` (string)'],
    [
      'server:8080=off',
      'Expected `listen:8080`, got `server:8080`; a host of this name is written with a dot, `server.:8080`',
    ],
    ['tcp:5432=off', 'Expected `5432`, got `tcp:5432`'],
    ['-5432=off', 'Expected a port or a range such as 5000-5999, got `-5432`'],
    ['0x1538=off', 'got `0x1538` (string)'],
    ['-db=off', 'got `-db` (string)'],
    [
      '5432=database,tunnel',
      'Expected <option>=<value>, got `tunnel`; a preset comes first (TCP_KEEPALIVE, rule 1, character 6)',
    ],
    ['5432=database,count=300', 'Expected `count`'],
    ['5432=database,', 'Expected <option>=<value>, got ``'],
    ['5432=database,use=1', 'got `use`'],
    ['5432=byPort', 'Expected `*` before `=byPort`, which is for every port, got `5432`'],
    ['listen:*=byPort', 'Expected `*` before `=byPort`'],
    ['*=byport', 'did you mean `byPort`?'],
    [
      '5432=Off',
      'Expected a preset (`database`, `fastFailover`, `websocket`, `bulk`, `tunnel`, `loadBalancer`), options such as `userTimeout=30s`, or `off`, got `Off`',
    ],
  ])('%j', (text, message) => {
    let thrown: Error | undefined;
    try {
      parse(text);
    } catch (error) {
      thrown = error as Error;
    }
    expect(thrown).toMatchObject({ code: 'ERR_KEEPALIVE_INVALID_OPTION' });
    expect(thrown?.message).toContain(message);
    expect(thrown?.message).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}]/u);
  });
});

test.each<[KeepAliveRule, 'client' | 'server', string]>([
  [{ use: 'loadBalancer' }, 'client', '*=loadBalancer'],
  [{ port: 5432, use: 'database' }, 'client', '5432=database'],
  [{ host: 'fd00::/8', port: '1-2', use: false }, 'client', '[fd00::/8]:1-2=off'],
  [{ side: 'server', port: 8080, use: { count: 3 } }, 'server', 'listen:8080=count=3'],
  [{ host: ['a', 'b'], use: false }, 'client', 'a,b=off'],
])('%o is printed on the %s side as %s', (rule, side, want) => {
  const [compiled] = compileRules([rule]);
  expect(compiled && ruleText(compiled, side)).toBe(want);
});

test('a rule that was printed reads back as it was', () => {
  const text = '10.0.0.0/8:5000-5999=database; [fd00::/8]:6379=fastFailover; db.internal=off; *=loadBalancer';
  const printed = compileRules(parse(text)).map((rule) => ruleText(rule, 'client'));
  expect(printed.join('; ')).toBe(text);
  const [listen] = compileRules(parse('listen:8080=websocket'));
  expect(listen && ruleText(listen, 'server')).toBe('listen:8080=websocket');
});

test('byPort is an item like others', () => {
  expect(parse('5432=fastFailover; *=byPort; 80=off')).toEqual([
    { side: 'client', port: 5432, use: 'fastFailover' },
    ...rulesByPort,
    { side: 'client', port: 80, use: false },
  ]);
  expect(() => compileRules(rulesByPort)).not.toThrow();
});

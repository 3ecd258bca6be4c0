import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { rulesByPort } from '../../src/rules/by-port.ts';
import { typeArguments } from '../helpers/command-line.ts';

/** The command's result for rules and connections. */
const check = (rules: string, ...rest: string[]) => typeArguments(['check', '--rules', rules, ...rest]);

const RULES =
  '5432=database; db.internal:80=tunnel; 10.0.0.0/8=off; listen:8080=websocket; 9000-9001=initialDelay=5s,interval=1s,count=2';

test('lists the rules, in their order, with what they give', async () => {
  const { code, out, err } = await check(RULES);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect(out).toMatch(/^ {2}1 {2}5432=database: initialDelay=10s interval=5s count=3 userTimeout=24\.5s/);
  expect(out).toMatch(/^ {2}3 {2}10\.0\.0\.0\/8=off: left alone$/m);
  expect(out).toMatch(/^ {2}4 {2}listen:8080=websocket: initialDelay=45s /m);
  expect(out).toMatch(/^ {2}5 {2}9000-9001: initialDelay=5s interval=1s count=2$/m);
  expect(Math.max(...out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
});

test.each([
  ['cache.internal:5432', 1],
  ['db.internal:80', 2],
  ['DB.internal:80', 2],
  ['10.1.2.3:443', 3],
  ['listen:8080', 4],
  ['[fd00::1]:9001', 5],
])('%s gets rule %d', async (connection, rule) => {
  const { code, out } = await check(RULES, connection, '--json');
  expect(code).toBe(0);
  expect(JSON.parse(out).connections).toEqual([{ connection, rule }]);
});

test.each(['db.internal:443', '[fd00::1]:80', 'listen:9000'])(
  '%s gets none: exit code 1',
  async (connection) => {
    const { code, out } = await check(RULES, connection);
    expect(code).toBe(1);
    expect(out).toContain(`${connection}  no rule: it has what its program sets`);
  },
);

test('says what byPort means', async () => {
  const { out } = await check(
    '*=byPort',
    '--json',
    'db:5432',
    'cache:6379',
    'broker:1883',
    'bastion:22',
    'web:443',
  );
  const { rules, connections } = JSON.parse(out);
  expect(rules).toHaveLength(rulesByPort.length);
  const uses = connections.map(({ rule }: { rule: number }) => rulesByPort[rule - 1]?.use);
  expect(uses).toEqual(['database', 'database', 'websocket', 'tunnel', 'loadBalancer']);
});

describe('where the rules come from', () => {
  test('the environment', async () => {
    vi.stubEnv('TCP_KEEPALIVE', '5432=database');
    onTestFinished(() => void vi.unstubAllEnvs());
    expect((await typeArguments(['check'])).out).toContain('5432=database');
  });

  test('a file', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'tcp-keepalive-check-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const config = join(directory, 'rules.json');
    writeFileSync(config, '{ "rules": [{ "port": [80, 443, 8443], "use": "tunnel" }] }');
    expect((await typeArguments(['check', '--config', config])).out).toContain('80,443,8443=tunnel');
  });

  test('nowhere', async () => {
    vi.stubEnv('TCP_KEEPALIVE', '');
    onTestFinished(() => void vi.unstubAllEnvs());
    expect(await typeArguments(['check'])).toMatchObject({ code: 0, out: 'no rules\n' });
  });
});

test.each<[string[], string]>([
  [['--rules', 'x='], '(--rules, rule 1, character 3)'],
  [['--rules', '*=off', '--config', 'x'], 'Expected --rules or --config, got both'],
  [['--rules', '*=off', 'db'], 'Expected <host>:<port> or listen:<port>, got `db`'],
  [['--rules', '*=off', '5432'], 'Expected <host>:<port> or listen:<port>, got `5432`'],
  [['--rules', '*=off', 'db:1-2'], 'got `db:1-2`'],
  [['--rules', '*=off', 'db:70000'], 'got `70000`'],
])('%j is refused in one line', async (args, message) => {
  const { code, err } = await typeArguments(['check', ...args]);
  expect(code).toBe(2);
  expect(err).toContain(message);
  expect(err.trim().split('\n')).toHaveLength(1);
});

import { expect, test } from 'vitest';
import { debugLine } from '../../src/rules/debug-line.ts';
import { type Connection, compileRules } from '../../src/rules/rule.ts';
import { getKeepAlive } from '../../src/sockets/get.ts';
import { setKeepAlive } from '../../src/sockets/set.ts';
import { connectedPair } from '../helpers/connected-pair.ts';
import { hasRetransmitInterval } from '../helpers/retransmit-interval.ts';

const [rule] = compileRules([{ port: 5432, use: 'database' }]);

test.each<[Connection, string]>([
  [
    { side: 'client', host: 'db.internal', address: '10.0.0.5', port: 5432 },
    'client db.internal (10.0.0.5):5432, rule 5432=database: ',
  ],
  [{ side: 'client', address: '10.0.0.5', port: 5432 }, 'client 10.0.0.5:5432, rule 5432=database: '],
  [
    { side: 'client', host: 'db.internal', address: 'fd00::5', port: 5432 },
    'client db.internal ([fd00::5]):5432, rule 5432=database: ',
  ],
  [
    { side: 'server', address: '10.0.0.5', port: 5432 },
    'server :5432 from 10.0.0.5, rule listen:5432=database: ',
  ],
])('%o is %s and what the kernel has', async (connection, text) => {
  const { client, close } = await connectedPair();
  try {
    setKeepAlive(client, 'database');
    const values = 'enable=true initialDelay=10000 interval=5000 count=3 userTimeout=24500';
    const { maxRetransmitInterval } = getKeepAlive(client);
    const longest = hasRetransmitInterval ? ` maxRetransmitInterval=${maxRetransmitInterval}` : '';
    const rest = process.platform === 'linux' ? `${longest} failOnUnreachable=false` : longest;
    expect(debugLine(client, connection, rule)).toBe(text + values + rest);
  } finally {
    await close();
  }
});

test('a connection without a rule, which has ended, says so', async () => {
  const { client, close } = await connectedPair();
  client.destroy();
  expect(debugLine(client, { side: 'client', address: '10.0.0.5', port: 80 }, undefined)).toBe(
    'client 10.0.0.5:80, no rule: ERR_KEEPALIVE_DESTROYED',
  );
  await close();
});

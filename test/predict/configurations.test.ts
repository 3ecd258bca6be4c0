import { expect, test } from 'vitest';
import type { KeepAliveOptions } from '../../src/options/options.ts';
import { parseKeepAliveOptions } from '../../src/options/parse.ts';
import { configurations } from '../../src/predict/configurations.ts';
import { planKeepAlive } from '../../src/predict/plan.ts';
import { predictDetection } from '../../src/predict/predict.ts';
import { parseRuleText } from '../../src/rules/text.ts';

const plan = planKeepAlive({ detectWithin: 30_000, pathIdleLimit: 'aws-nlb' });

function configurationFor(format: string): string {
  return configurations[format]?.(plan, 30_000) ?? '';
}

// What each system calls these, in the unit that it counts in.
test.each([
  [
    'ts',
    [
      'initialDelay: 15_000,',
      'interval: 4_000,',
      'count: 3,',
      'userTimeout: 26_500,',
      'maxRetransmitInterval: 3_312,',
    ],
  ],
  [
    'env',
    [
      "TCP_KEEPALIVE='*=initialDelay=15s,interval=4s,count=3,userTimeout=26.5s,maxRetransmitInterval=3.312s' \\",
      'node --require tcp-keepalive/register app.js',
    ],
  ],
  [
    'libpq',
    [
      'keepalives=1',
      'keepalives_idle=15',
      'keepalives_interval=4',
      'keepalives_count=3',
      'tcp_user_timeout=26500',
    ],
  ],
  [
    'pgbouncer',
    [
      'tcp_keepalive = 1',
      'tcp_keepidle = 15',
      'tcp_keepintvl = 4',
      'tcp_keepcnt = 3',
      'tcp_user_timeout = 26500',
    ],
  ],
  [
    'haproxy',
    [
      'option clitcpka',
      'clitcpka-idle 15s',
      'clitcpka-intvl 4s',
      'clitcpka-cnt 3',
      '#   server db 10.0.0.1:5432 tcp-ut 26500ms',
    ],
  ],
  ['nginx', ['#   listen 443 ssl so_keepalive=15s:4s:3;', 'proxy_socket_keepalive on;']],
  [
    'sysctl',
    [
      'net.ipv4.tcp_keepalive_time = 15',
      'net.ipv4.tcp_keepalive_intvl = 4',
      'net.ipv4.tcp_keepalive_probes = 3',
    ],
  ],
  [
    'docker',
    [
      'sysctls:',
      'net.ipv4.tcp_keepalive_time: 15',
      'net.ipv4.tcp_keepalive_intvl: 4',
      'net.ipv4.tcp_keepalive_probes: 3',
    ],
  ],
  ['kubernetes', ['- name: net.ipv4.tcp_keepalive_time', 'value: "15"', 'value: "4"', 'value: "3"']],
])('writes configuration for %s', (format, expected) => {
  const text = configurationFor(format);
  const lines = text.split('\n').map((line) => line.trim());
  for (const line of expected) expect(lines).toContain(line);
  // Rules are one word of a shell, which cannot be broken.
  const others = text.split('\n').filter((line) => !line.startsWith('TCP_KEEPALIVE='));
  for (const line of others) expect(line.length).toBeLessThanOrEqual(80);
});

test.each(['nginx', 'sysctl', 'docker', 'kubernetes'])('says that %s has no user timeout', (format) => {
  const text = configurationFor(format);
  expect(text).toMatch(/(cannot set|no sysctl for) a user timeout \(26500 ms\)/);
  expect(text).toContain('tcp_retries2');
});

test('names the tcp_retries2 that keeps to the deadline, as a comment', () => {
  const text = configurationFor('sysctl');
  expect(text).toContain('# net.ipv4.tcp_retries2 = 6\n');
  const latest = (tcpRetries2: number) => predictDetection({}, { tcpRetries2 }).unacknowledged.latest;
  expect(latest(6)).toBeLessThanOrEqual(30_000);
  expect(latest(7)).toBeGreaterThan(30_000);
  expect(configurations.sysctl?.(plan, latest(7))).toContain('# net.ipv4.tcp_retries2 = 7\n');
  expect(configurations.sysctl?.(plan, 1_000)).toContain('# net.ipv4.tcp_retries2 = 1\n');
  // The kernel takes no more.
  const most = configurations.sysctl?.(plan, 2_147_483_647);
  expect(most).toContain('# net.ipv4.tcp_retries2 = 255\n');
  expect(most?.replaceAll('\n# ', ' ')).toContain('on all connections, at 29859 s');
});

test('what YAML holds is indented as its neighbours are, comments too', () => {
  expect(
    configurationFor('docker'),
  ).toBe(`# compose.yaml: for sockets that turn SO_KEEPALIVE on and set no times.
services:
  app:
    sysctls:
      net.ipv4.tcp_keepalive_time: 15
      net.ipv4.tcp_keepalive_intvl: 4
      net.ipv4.tcp_keepalive_probes: 3
      # There is no sysctl for a user timeout (26500 ms). The nearest bounds
      # data in flight, on all connections, at 28 s. RFC 1122 asks for 100 s
      # at least, which is 8.
      # net.ipv4.tcp_retries2: 6
`);
  expect(configurationFor('kubernetes')).toContain(`
    sysctls:
      - name: net.ipv4.tcp_keepalive_time
        value: "15"
      - name: net.ipv4.tcp_keepalive_intvl
        value: "4"
      - name: net.ipv4.tcp_keepalive_probes
        value: "3"
      # There is no sysctl for a user timeout (26500 ms). The nearest bounds
      # data in flight, on all connections, at 28 s. RFC 1122 asks for 100 s
      # at least, which is 8.
`);
});

test('writes a preset by its name if the system knows it', () => {
  expect(configurations.ts?.('database')).toContain("keepAlive(socket, 'database');");
  expect(configurations.env?.('database')).toContain("TCP_KEEPALIVE='*=database' ");
  expect(configurations.libpq?.('database')).toContain('keepalives_idle=10\n');
});

test('what is written for this library is what it reads', () => {
  const [, text = ''] = /='(.*)'/.exec(configurationFor('env')) ?? [];
  const [rule] = parseRuleText(text, 'the text').rules;
  expect(rule?.use && parseKeepAliveOptions(rule.use)).toEqual(plan);
});

// A part of the options: the rest is left alone, and so is left out.
test.each<[format: string, options: KeepAliveOptions, expected: string]>([
  [
    'ts',
    { userTimeout: 30_000 },
    "import { keepAlive } from 'tcp-keepalive';\n\nkeepAlive(socket, {\n  userTimeout: 30_000,\n});\n",
  ],
  [
    'ts',
    { enable: true },
    "import { keepAlive } from 'tcp-keepalive';\n\nkeepAlive(socket, {\n  enable: true,\n});\n",
  ],
  [
    'ts',
    { enable: true, userTimeout: 30_000 },
    "import { keepAlive } from 'tcp-keepalive';\n\nkeepAlive(socket, {\n  enable: true,\n  userTimeout: 30_000,\n});\n",
  ],
  [
    'ts',
    { enable: false, count: 3 },
    "import { keepAlive } from 'tcp-keepalive';\n\nkeepAlive(socket, {\n  enable: false,\n  count: 3,\n});\n",
  ],
  [
    'libpq',
    { enable: true },
    '# In a service of pg_service.conf, or on one line in a connection string.\n# tcp_user_timeout is in milliseconds, the others in seconds.\nkeepalives=1\n',
  ],
  [
    'libpq',
    { enable: false, initialDelay: 60_000 },
    "# In a service of pg_service.conf, or on one line in a connection string.\n# tcp_user_timeout is in milliseconds, the others in seconds.\nkeepalives=0\nkeepalives_idle=60\n# The server's end, in postgresql.conf:\n#   tcp_keepalives_idle = 60\n",
  ],
  [
    'libpq',
    { enable: false, interval: 5_000 },
    "# In a service of pg_service.conf, or on one line in a connection string.\n# tcp_user_timeout is in milliseconds, the others in seconds.\nkeepalives=0\nkeepalives_interval=5\n# The server's end, in postgresql.conf:\n#   tcp_keepalives_interval = 5\n",
  ],
  [
    'libpq',
    { enable: false, count: 4 },
    "# In a service of pg_service.conf, or on one line in a connection string.\n# tcp_user_timeout is in milliseconds, the others in seconds.\nkeepalives=0\nkeepalives_count=4\n# The server's end, in postgresql.conf:\n#   tcp_keepalives_count = 4\n",
  ],
  [
    'pgbouncer',
    { userTimeout: 30_000 },
    '; tcp_user_timeout is in milliseconds, the others in seconds.\n[pgbouncer]\ntcp_user_timeout = 30000\n',
  ],
  [
    'pgbouncer',
    { enable: false },
    '; tcp_user_timeout is in milliseconds, the others in seconds.\n[pgbouncer]\ntcp_keepalive = 0\n',
  ],
])('%s leaves out what %j leaves out', (format, options, expected) => {
  expect(configurations[format]?.(options)).toBe(expected);
});

test.each<[format: string, options: KeepAliveOptions, expected: string]>([
  ['haproxy', { enable: false }, '    no option clitcpka\n'],
  ['haproxy', { initialDelay: 60_000 }, '    option srvtcpka\n    srvtcpka-idle 60s\n# These probes'],
  ['nginx', { enable: false }, 'so_keepalive=off;'],
  ['nginx', { enable: true }, 'so_keepalive=on;'],
  ['nginx', { initialDelay: 60_000, count: 3 }, 'so_keepalive=60s::3;'],
  ['nginx', { enable: true, userTimeout: 0 }, 'nginx cannot set a user timeout: data in flight'],
  ['sysctl', { count: 4 }, 'set no times.\nnet.ipv4.tcp_keepalive_probes = 4\n#'],
])('%s with %j has %j', (format, options, expected) => {
  const text = configurations[format]?.(options);
  expect(text).toContain(expected);
  expect(text).not.toMatch(/undefined|NaN/);
});

test('the deadline is by default what the options come to', () => {
  const { idle } = predictDetection('database');
  expect(configurations.sysctl?.('database')).toBe(configurations.sysctl?.('database', idle.latest));
  const { unacknowledged: alone } = predictDetection({ userTimeout: 60_000 });
  expect(configurations.sysctl?.({ userTimeout: 60_000 })).toBe(
    configurations.sysctl?.({ userTimeout: 60_000 }, alone.latest),
  );
});

import { describe, expect, test } from 'vitest';
import { parseTime } from '../../src/cli/values.ts';
import { planKeepAlive } from '../../src/predict/plan.ts';
import { predictDetection } from '../../src/predict/predict.ts';
import { expectRefused, type } from '../helpers/command-line.ts';

const goal = { detectWithin: 30_000, pathIdleLimit: 'aws-nlb' } as const;
const plan = planKeepAlive(goal);

test.each(['3h', '5h', '10m', '24d'])('within %s tells options that can be typed again', async (detect) => {
  const { out } = await type(`plan --detect ${detect} --connections 1`);
  const told = ['initialDelay', 'interval', 'count', 'userTimeout'].map((name) => {
    return `${name}=${new RegExp(`^${name} +(\\S+)$`, 'm').exec(out)?.[1]}`;
  });
  const { options } = JSON.parse((await type(`explain ${told.join(' ')} --json`)).out);
  expect(options).toEqual(planKeepAlive({ detectWithin: parseTime('--detect', detect) }));
  expect(out).toMatch(/^ {16}0\.0+\d{1,2} a second on 1 of them$/m);
});

test('tells the options and what they do', async () => {
  const { code, out } = await type('plan --detect 30s --path aws-nlb --connections 10000');
  expect(code).toBe(0);
  expect(out).toContain('initialDelay    15s');
  expect(out).toContain('userTimeout     26.5s');
  expect(out).toMatch(/idle {12}dropped after 27s to 29\.\ds/);
  expect(out).toContain('1 333 a second on 10 000 of them');
});

test('counts the packets of 10 000 connections, where it is not told how many', async () => {
  expect((await type('plan --detect 30s')).out).toContain(' on 10 000 of them\n');
  expect(JSON.parse((await type('plan --detect 30s --json')).out).packets.connections).toBe(10_000);
});

test('plans for the retransmission timeout that it is told, and tells what comes of it', async () => {
  const { options, detection } = JSON.parse((await type('plan --detect 30s --rto 1s --json')).out);
  expect(options).toEqual(planKeepAlive({ detectWithin: 30_000, rto: 1_000 }));
  const { unacknowledged } = predictDetection(options, { rto: 1_000 });
  expect(detection.unacknowledged).toEqual(unacknowledged);
  expect(unacknowledged).not.toEqual(predictDetection(options).unacknowledged);
});

// What each system calls these, in the unit that it counts in.
test.each([
  ['ts', ['initialDelay: 15_000,', 'interval: 4_000,', 'count: 3,', 'userTimeout: 26_500,']],
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
      'default-server tcp-ut 26500ms',
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
])('writes configuration for %s', async (format, expected) => {
  const { code, out } = await type(`plan --detect 30s --path aws-nlb --format ${format}`);
  expect(code).toBe(0);
  const lines = out.split('\n').map((line) => line.trim());
  for (const line of expected) expect(lines).toContain(line);
  for (const line of out.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
});

test.each(['nginx', 'sysctl', 'docker', 'kubernetes'])('says that %s has no user timeout', async (format) => {
  const { out } = await type(`plan --detect 30s --format ${format}`);
  expect(out).toMatch(/(cannot set|no sysctl for) a user timeout \(26500 ms\)/);
  expect(out).toContain('tcp_retries2');
});

test('names the tcp_retries2 that keeps to the deadline, as a comment', async () => {
  const { out } = await type('plan --detect 30s --format sysctl');
  expect(out).toContain('# net.ipv4.tcp_retries2 = 6\n');
  const latest = (tcpRetries2: number) => predictDetection({}, { tcpRetries2 }).unacknowledged.latest;
  expect(latest(6)).toBeLessThanOrEqual(30_000);
  expect(latest(7)).toBeGreaterThan(30_000);
});

test('gives JSON, with the configuration that was asked for', async () => {
  const { out } = await type('plan --detect 30s --path aws-nlb --format sysctl --json');
  const told = JSON.parse(out);
  expect(told.options).toEqual(plan);
  expect(told.detection.idle).toEqual(predictDetection(plan).idle);
  expect(told.configuration).toContain('net.ipv4.tcp_keepalive_time = 15');
});

describe('what is typed wrong ends with one line and exit code 2', () => {
  test.each([
    ['plan', 'Expected --detect <time>, such as --detect 30s'],
    ['plan 30s', 'Expected options such as --detect 30s'],
    [
      'plan --detect 30',
      'Expected `--detect` to be from 1000 to 2147483647 milliseconds, got `30` (number); did you mean 30000?',
    ],
    ['plan --detect 30secs', 'to be a time such as'],
    ['plan --detect 2s', 'got `2000` (number); fewer `--probes` need less'],
    ['plan --detect 30s --format yaml', 'Expected `--format` to be ts, libpq, pgbouncer'],
    ['plan --detect 30s --format kuberntes', 'did you mean `kubernetes`?'],
    ['plan --detect 30s --path aws-alb', 'send an application ping'],
    ['plan --detect 30s --probes 0', 'Expected `--probes` to be an integer from 1 to 127'],
    ['plan --detect 30s --format toString', 'Expected `--format`'],
    ['plan --detect 30s --path valueOf', 'Expected `--path`'],
  ])('%s', expectRefused);
});

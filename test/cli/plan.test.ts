import { describe, expect, test } from 'vitest';
import { parseTime } from '../../src/options/words.ts';
import { configurations } from '../../src/predict/configurations.ts';
import { planKeepAlive } from '../../src/predict/plan.ts';
import { predictDetection } from '../../src/predict/predict.ts';
import { expectRefused, type } from '../helpers/command-line.ts';

const goal = { detectWithin: 30_000, pathIdleLimit: 'aws-nlb' } as const;
const plan = planKeepAlive(goal);

test.each(['3h', '5h', '10m', '24d'])('within %s tells options that can be typed again', async (detect) => {
  const { out } = await type(`plan --detect ${detect} --connections 1`);
  const names = ['initialDelay', 'interval', 'count', 'userTimeout', 'maxRetransmitInterval'];
  const told = names.map((name) => {
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
  expect(out).toContain('maxRetransmitInterval 3.312s');
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

test('plans from the moment, and for what happens, that it is told', async () => {
  const optionsFor = async (flags: string) =>
    JSON.parse((await type(`plan --detect 60s ${flags} --json`)).out).options;
  const goal = { detectWithin: 60_000 };
  expect(await optionsFor('--from write')).toEqual(planKeepAlive(goal));
  expect(await optionsFor('--from vanish')).toEqual(planKeepAlive({ ...goal, from: 'vanish' }));
  expect(await optionsFor('--icmp')).toEqual(planKeepAlive({ ...goal, icmp: true }));
});

test('writes the configuration that is asked for', async () => {
  const { code, out } = await type('plan --detect 30s --path aws-nlb --format sysctl');
  expect(code).toBe(0);
  expect(out).toBe(configurations.sysctl?.(plan, 30_000));
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
    ['plan', 'Expected a time, such as plan 30s or plan --detect 30s'],
    ['plan 30s 40s', 'Expected one time and options, got `40s`'],
    ['plan 30s --detect 30s', 'Expected one time and options, got `30s`'],
    ['plan soon', 'to be a time such as 30s'],
    [
      'plan --detect 30',
      'Expected `--detect` to be from 1s to 24d20h31m23.647s, got 30ms; did you mean 30s? Run tcp-keepalive plan --help',
    ],
    ['plan --detect 30secs', 'to be a time such as'],
    ['plan --detect 2s', 'got 2s; fewer `--probes` need less'],
    ['plan --detect 30s --format yaml', 'Expected `--format` to be ts, env, libpq, pgbouncer'],
    ['plan --detect 30s --format kuberntes', 'did you mean `kubernetes`?'],
    ['plan --detect 30s --path aws-alb', 'send an application ping'],
    ['plan --detect 30s --from now', 'Expected `--from` to be write or vanish, got `now`'],
    ['plan --detect 30s --probes 0', 'Expected `--probes` to be an integer from 1 to 127'],
    ['plan --detect 30s --format toString', 'Expected `--format`'],
    ['plan --detect 30s --path valueOf', 'Expected `--path`'],
  ])('%s', expectRefused);
});

test('a plan has the findings and the JSON of explain', async () => {
  const plan = JSON.parse((await type('plan --detect 30s --json')).out);
  const { options } = plan;
  const words = Object.keys(options).map((name) => `${name}=${options[name]}`);
  const explained = JSON.parse((await type(`explain ${words.join(' ')} --json`)).out);
  expect(plan).toEqual({ ...explained, name: 'plan' });
  expect(plan).toMatchObject({
    unit: 'milliseconds',
    findings: [{ severity: 'note' }, { severity: 'note' }],
  });
  expect((await type('plan --detect 10s')).out).toContain(
    'warning         too-chatty: a probe after each 3 s',
  );
});

test('the time needs no flag', async () => {
  expect(await type('plan 30s')).toEqual(await type('plan --detect 30s'));
});

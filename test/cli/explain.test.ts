import { stripVTControlCharacters } from 'node:util';
import { describe, expect, test } from 'vitest';
import { parseKeepAliveOptions } from '../../src/options/parse.ts';
import { presets } from '../../src/options/presets.ts';
import { drawReport } from '../../src/predict/drawing.ts';
import { predictDetection } from '../../src/predict/predict.ts';
import { reportOf } from '../../src/predict/report.ts';
import { ESCAPE, expectRefused, type } from '../helpers/command-line.ts';

test('draws the four states of a connection', async () => {
  const { code, out, err } = await type('explain database');
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect(out).toMatch(/^database {2}initialDelay=10s interval=5s count=3 userTimeout=24\.5s$/m);
  expect(out).toMatch(/^ +maxRetransmitInterval=3\.062s$/m);
  expect(out).toMatch(/^idle {12}·+●─+●─+●─+✖▒+$/m);
  expect(out).toContain('3 probes unanswered, dropped after 25s to 27.1s');
  expect(out).toMatch(/^data in flight {2}━+▒*✖▒+$/m);
  expect(out).toMatch(/^zero window {5}━+✖▒*$/m);
  expect(out).toMatch(/^connecting {6}━+✖▒+$/m);
  expect(out).toMatch(/no answer to the SYN: given up after 22\.3s to 23\.\ds/);
  expect(out).toContain('connectionTimeoutMillis (pg)');
  expect(out).toContain('720 an hour');
  expect(out).toContain('2 000 a second');
});

test('ends with 1 where it warns, and says what never happens', async () => {
  const { code, out } = await type('explain initialDelay=60s interval=10s count=3');
  expect(code).toBe(1);
  expect(out).toMatch(/^data in flight {2}━+▶$/m);
  expect(out).toContain('15m29s');
  expect(out).toContain('kept for ever');
  expect(out).toMatch(/^warning {9}data-unbounded: /m);
});

test.each([
  'database',
  'loadBalancer --path heroku --connections 123456 --acquire-timeout 5s --round-trip 16s',
  'enable=true',
  'enable=false',
  'userTimeout=5s',
  'database failOnUnreachable=true',
  'initialDelay=1s interval=1s count=127 userTimeout=auto',
  'initialDelay=32767s interval=32767s count=127',
  'initialDelay=1s interval=1s count=1 userTimeout=2147483647',
])('%s fits into its columns, in every terminal', async (options) => {
  for (const columns of [60, 80, 200]) {
    const { out } = await type(`explain ${options}`, { columns });
    for (const line of out.split('\n')) {
      expect(line.length).toBeLessThanOrEqual(Math.min(columns, 80));
    }
  }
});

test('says that a router’s report ends data in flight at once with failOnUnreachable', async () => {
  const { code, out } = await type('explain database failOnUnreachable=true');
  expect(code).toBe(0);
  const text = out.replace(/\s+/g, ' ');
  expect(text).toContain('from the write, or at once if a router reports the peer as unreachable (ICMP)');
  expect(text).toContain('survives a silent outage of 21.4s');
  expect(text).toContain('route-change-ends-living: ');
  expect((await type('explain database')).out).not.toContain('ICMP');
});

test('uses colour where it is asked to, for the same text', async () => {
  const plain = await type('explain database');
  const colored = await type('explain database', { color: true });
  expect(plain.out).not.toContain(ESCAPE);
  expect(colored.out).toContain(ESCAPE);
  expect(stripVTControlCharacters(colored.out)).toBe(plain.out);
});

test('counts a probe for each interval, where that is the longer wait', async () => {
  const { out } = await type('explain initialDelay=5s interval=60s count=3 userTimeout=auto');
  expect(out).toContain('120 an hour (a probe and its answer each');
  expect(out).not.toContain('too-chatty');
});

test('draws the drop of data in flight where nothing else is bounded', async () => {
  const { out } = await type('explain userTimeout=1s');
  expect(out).toMatch(/^data in flight {2}━+▒*✖▒*$/m);
});

test('changes fields of a preset', async () => {
  const { out } = await type('explain database count=5 userTimeout=auto --json');
  expect(JSON.parse(out).options).toEqual({
    ...presets.database,
    count: 5,
    userTimeout: 34_500,
    maxRetransmitInterval: 4_312,
  });
  const other = JSON.parse((await type('explain database maxRetransmitInterval=2s --json')).out);
  expect(other.options.maxRetransmitInterval).toBe(2_000);
});

test('gives the prediction, the packets and the findings as JSON', async () => {
  const { code, out } = await type('explain initialDelay=60s interval=10s count=3 --connections 100 --json');
  expect(code).toBe(1);
  const { detection, packets, findings } = JSON.parse(out);
  const predicted = predictDetection({ initialDelay: 60_000, interval: 10_000, count: 3 });
  expect(detection.idle).toEqual(predicted.idle);
  expect(detection.zeroWindow).toEqual({ earliest: null, nominal: null, latest: null });
  expect(packets).toEqual({ perHour: 120, connections: 100, perHourOfAll: 12_000 });
  expect(findings[0]).toMatchObject({ code: 'data-unbounded', severity: 'warning' });
});

test('draws a picture, with the path that it is told', async () => {
  const { code, out } = await type('explain database --path aws-alb --svg');
  expect(code).toBe(1);
  expect(out).toBe(
    drawReport(reportOf('database', parseKeepAliveOptions('database'), { pathIdleLimit: 'aws-alb' }), {
      path: 'aws-alb',
    }),
  );
});

test('reviews the options for the longest round trip', async () => {
  const codes = async (roundTrip: string) => {
    const { out } = await type(`explain database --round-trip ${roundTrip} --json`);
    return JSON.parse(out).findings.map(({ code }: { code: string }) => code);
  };
  expect(await codes('16s')).toContain('interval-below-round-trip');
  expect(await codes('1s')).not.toContain('interval-below-round-trip');
});

test('predicts with the retransmission timeout that is told, or that fits the round trip', async () => {
  const unacknowledged = async (options: string) =>
    JSON.parse((await type(`explain database ${options} --json`)).out).detection.unacknowledged;
  const predicted = (rto: number) => predictDetection('database', { rto }).unacknowledged;
  expect(await unacknowledged('--rto 1s')).toEqual(predicted(1_000));
  // A first round trip of 350 ms was seen to make an rto of 1 052 ms, which settles at 556.
  expect(await unacknowledged('--round-trip 350ms')).toEqual(predicted(1_050));
  expect(await unacknowledged('--round-trip 1ms')).toEqual(predicted(201));
  expect(await unacknowledged('--round-trip 350ms --rto 600ms')).toEqual(predicted(600));
});

test('tells the outages that are survived, and the clock of each time', async () => {
  const { out } = await type('explain database');
  const text = out.replace(/\s+/g, ' ');
  expect(text).toMatch(
    /survives an outage of 20s ─+╯ 3 probes unanswered, dropped after 25s to [\d.]+s from the last packet received/,
  );
  expect(text).toMatch(/survives an outage of 21\.\ds ─+╯ retransmitted, dropped after [^;]+ from the write/);
  const { detection } = JSON.parse((await type('explain database --json')).out);
  expect(detection.survives).toEqual(predictDetection('database').survives);
});

test('tells how many living connections a loss ends', async () => {
  const { code, out } = await type('explain database --loss 5% --connections 100 --json');
  expect(code).toBe(1);
  expect(JSON.parse(out).findings[0]).toMatchObject({ code: 'loss-ends-living', severity: 'warning' });
});

test('says whether an attempt to connect is bounded', async () => {
  const { out } = await type('explain userTimeout=5s --json');
  expect(JSON.parse(out).detection.connecting.nominal).toBe(5_000);
  const unbounded = await type('explain userTimeout=0');
  expect(unbounded.out.replace(/\s+/g, ' ')).toContain(
    'no answer to the SYN: not bounded by these options, given up after 2m11s',
  );
});

describe('what is typed wrong ends with one line and exit code 2', () => {
  test.each([
    [
      'explain',
      'Expected a preset (database, fastFailover, websocket, bulk, tunnel, loadBalancer) or options',
    ],
    ['explain database --svg --json', 'Expected `--json` or `--svg`, got both'],
    ['explain databse', 'did you mean `database`?'],
    ['explain initalDelay=60s', 'did you mean `initialDelay`?'],
    ['explain initialDelay=60', 'got 60ms; did you mean 60s? Run tcp-keepalive explain --help'],
    ['explain initialDelay=60x', 'to be a time such as 30s, 1m30s, 500ms or 1500 (milliseconds), got `60x`'],
    ['explain initialDelay=', 'to be a time such as'],
    ['explain initialDelay=-5s', 'to be a time such as'],
    ['explain =5s', 'Expected <option>=<value>, got `=5s`'],
    ['explain database 5s', 'Expected <option>=<value>, got `5s`'],
    ['explain count=3 database', 'got `database`; a preset comes first'],
    ['explain DATABASE', 'did you mean `database`?'],
    ['explain database --acquire-timeout 30', 'Expected `--acquire-timeout` to be from 1s to'],
    ['explain database --round-trip 0', 'Expected `--round-trip` to be a positive number'],
    ['explain database --loss 5x', 'Expected `--loss` to be a share such as 5% or 0.05, got `5x`'],
    ['explain database --loss 5', 'Expected `--loss` to be a fraction from 0 to 1'],
    ['explain count=3.5', 'Expected `count` to be a whole number, got `3.5`'],
    ['explain count=0', 'Expected `count` to be an integer from 1 to 127'],
    ['explain enable=yes', 'Expected `enable` to be true or false'],
    ['explain userTimeout=auto', "beside `userTimeout: 'auto'`"],
    ['explain database --jsn', 'did you mean `--json`?'],
    ['explain database --json=yes', 'Expected `--json` without a value'],
    ['explain database --path', 'Expected a value after `--path`'],
    ['explain database --path aws-nbl', 'did you mean `aws-nlb`?'],
    ['explain database --path 30', 'did you mean 30s?'],
    ['explain database --connections many', 'Expected `--connections` to be a whole number'],
    ['explain constructor', 'Expected a preset'],
  ])('%s', expectRefused);
});

test('advice for a preset with another count can be followed', async () => {
  const { out } = await type('explain database count=1');
  expect(out.replace(/\s+/g, ' ')).toContain('Make `count` 3 to have both agree.');
  expect((await type('explain database count=3')).code).toBe(0);
});

test('a proxy that counts payload only cuts a connection in spite of its probes', async () => {
  const { code, out } = await type('explain database --path payload:30s');
  expect(code).toBe(1);
  expect(out.replace(/\s+/g, ' ')).toContain(
    'payload-only-path: the path counts bytes of payload only, so that no TCP probe keeps it open: ' +
      'send an application ping within each 30 s.',
  );
  expect((await type('explain database --path 30s')).code).toBe(0);
  expect((await type('explain database --path haproxy')).out).toContain('HAProxy with `timeout client`');
  await expectRefused('explain database --path payload:soon', 'to be a time such as 30s');
});

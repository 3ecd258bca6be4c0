import { execFile, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import util, { promisify, stripVTControlCharacters } from 'node:util';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { run } from '../../src/cli/dispatch.ts';
import { exactTime, formatTime, parseTime } from '../../src/cli/values.ts';
import { presets } from '../../src/options/presets.ts';
import { pathIdleLimits } from '../../src/predict/paths.ts';
import { planKeepAlive } from '../../src/predict/plan.ts';
import { predictDetection } from '../../src/predict/predict.ts';
import { hasPseudoTerminals, inPseudoTerminal } from '../helpers/pseudo-terminal.ts';

interface Told {
  code: number;
  out: string;
  err: string;
}

/** Runs a command line as a terminal of 80 columns would have typed it. */
async function type(line: string, { columns = 80, color = false } = {}): Promise<Told> {
  const told = { out: '', err: '' };
  const code = await run(line === '' ? [] : line.split(' '), {
    out(text) {
      told.out += text;
    },
    err(text) {
      told.err += text;
    },
    columns,
    color,
  });
  return { code, ...told };
}

/** What is coloured begins with this. */
const ESCAPE = '\u001b[';

describe('explain', () => {
  test('draws the four states of a connection', async () => {
    const { code, out, err } = await type('explain database');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(/^database {2}initialDelay=10s interval=5s count=3 userTimeout=24\.5s$/m);
    expect(out).toMatch(/^idle {12}·+●─+●─+●─+✖▒+$/m);
    expect(out).toContain('3 probes unanswered, dropped after 25s to 27.6s');
    expect(out).toMatch(/^data in flight {2}━+▒*✖▒+$/m);
    expect(out).toMatch(/^zero window {5}━+✖▒+$/m);
    expect(out).toMatch(/^connecting {6}━+▶$/m);
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
    expect(JSON.parse(out).options).toEqual({ ...presets.database, count: 5, userTimeout: 34_500 });
  });

  test('gives the prediction, the packets and the findings as JSON', async () => {
    const { code, out } = await type(
      'explain initialDelay=60s interval=10s count=3 --connections 100 --json',
    );
    expect(code).toBe(1);
    const { detection, packets, findings } = JSON.parse(out);
    const predicted = predictDetection({ initialDelay: 60_000, interval: 10_000, count: 3 });
    expect(detection.idle).toEqual(predicted.idle);
    expect(detection.zeroWindow).toEqual({ earliest: null, nominal: null, latest: null });
    expect(packets).toEqual({ perHour: 120, connections: 100, perHourOfAll: 12_000 });
    expect(findings[0]).toMatchObject({ code: 'data-unbounded', severity: 'warning' });
  });

  test('reviews the options for the longest round trip', async () => {
    const codes = async (roundTrip: string) => {
      const { out } = await type(`explain database --round-trip ${roundTrip} --json`);
      return JSON.parse(out).findings.map(({ code }: { code: string }) => code);
    };
    expect(await codes('16s')).toContain('interval-below-round-trip');
    expect(await codes('1s')).not.toContain('interval-below-round-trip');
  });

  test('does not promise that a user timeout bounds a connection attempt', async () => {
    const { out } = await type('explain userTimeout=5s --json');
    expect(JSON.parse(out).detection.connecting.nominal).toBe(131_000);
  });
});

describe('plan', () => {
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

  test.each(['nginx', 'sysctl', 'docker', 'kubernetes'])(
    'says that %s has no user timeout',
    async (format) => {
      const { out } = await type(`plan --detect 30s --format ${format}`);
      expect(out).toMatch(/(cannot set|no sysctl for) a user timeout \(26500 ms\)/);
      expect(out).toContain('tcp_retries2');
    },
  );

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
});

describe('presets', () => {
  test('are a table', async () => {
    const { code, out } = await type('presets');
    expect(code).toBe(0);
    for (const name of Object.keys(presets)) expect(out).toMatch(new RegExp(`^${name} +\\d`, 'm'));
    expect(out).toMatch(/^database +10s +5s +3 +24\.5s +25s$/m);
  });

  test('or JSON', async () => {
    expect(JSON.parse((await type('presets --json')).out)).toEqual(presets);
  });
});

describe.runIf(process.platform === 'linux')('doctor', () => {
  test('looks at this machine, and finds what Node leaves on a socket', async () => {
    const { code, out } = await type('doctor --json');
    const diagnoses: { subject: string; status: string; message: string }[] = JSON.parse(out);
    const bySubject = Object.fromEntries(diagnoses.map(({ subject, ...rest }) => [subject, rest]));
    expect(code).toBe(0);
    expect(bySubject.runtime?.message).toContain(process.versions.node);
    expect(bySubject['system calls']).toMatchObject({ status: 'ok' });
    expect(bySubject.options?.message).toContain('userTimeout (TCP_USER_TIMEOUT)');
    expect(bySubject['system defaults']?.message).toMatch(/probes: .* noticed after/);
    expect(bySubject['setKeepAlive(true, 60000)']?.message).toContain('Node leaves 60s, 1s, 10 probes');
    expect(bySubject['http agent']?.message).toContain('Node leaves 1s, 1s, 10 probes');
    expect(bySubject['tcp-keepalive']).toMatchObject({ status: 'ok' });
  });

  test('says what to do', async () => {
    const { out } = await type('doctor');
    expect(out).toMatch(/^ok {7}runtime: /m);
    expect(out).toContain("> keepAlive(socket, 'database') sets all five");
    for (const line of out.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });
});

describe('help', () => {
  test('lists the commands', async () => {
    const { code, out } = await type('--help');
    expect(code).toBe(0);
    for (const name of ['explain', 'plan', 'doctor', 'presets'])
      expect(out).toMatch(new RegExp(`^ {2}${name} `, 'm'));
    expect(await type('')).toEqual({ code: 2, out: '', err: out });
  });

  test.each(['explain', 'plan', 'doctor', 'presets'])('of %s has examples that run', async (name) => {
    const { code, out } = await type(`${name} --help`);
    expect(code).toBe(0);
    for (const line of out.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
    const examples = out.split('Examples:\n')[1]?.match(/^ {2}tcp-keepalive .*$/gm) ?? [];
    expect(examples.length).toBeGreaterThan(0);
    for (const example of examples) {
      const told = await type(example.trim().replace('tcp-keepalive ', ''));
      expect(told.code).toBeLessThan(2);
      expect(told.out).not.toBe('');
    }
  });
});

describe('what is typed wrong ends with one line and exit code 2', () => {
  test.each([
    ['explian', 'did you mean `explain`?'],
    ['explain', 'Expected a preset (database, fastFailover, websocket, tunnel, loadBalancer) or options'],
    ['explain databse', 'did you mean `database`?'],
    ['explain initalDelay=60s', 'did you mean `initialDelay`?'],
    ['explain initialDelay=60', 'did you mean 60000?'],
    ['explain initialDelay=60x', 'to be a time such as 30s, 1m30s, 500ms or 1500 (milliseconds), got `60x`'],
    ['explain initialDelay=', 'to be a time such as'],
    ['explain initialDelay=-5s', 'to be a time such as'],
    ['explain =5s', 'Expected <option>=<value>, got `=5s`'],
    ['explain database 5s', 'Expected <option>=<value>, got `5s`'],
    ['explain count=3 database', 'got `database`; a preset comes first'],
    ['explain DATABASE', 'did you mean `database`?'],
    ['explain database --acquire-timeout 30', 'Expected `--acquire-timeout` to be from 1000 to'],
    ['explain database --round-trip 0', 'Expected `--round-trip` to be a positive number'],
    ['explain count=3.5', 'Expected `count` to be a whole number, got `3.5`'],
    ['explain count=0', 'Expected `count` to be an integer from 1 to 127'],
    ['explain enable=yes', 'Expected `enable` to be true or false'],
    ['explain userTimeout=auto', "beside `userTimeout: 'auto'`"],
    ['explain database --jsn', 'did you mean `--json`?'],
    ['explain database --json=yes', 'Expected `--json` without a value'],
    ['explain database --path', 'Expected a value after `--path`'],
    ['explain database --path aws-nbl', 'did you mean `aws-nlb`?'],
    ['explain database --path 30', 'did you mean 30000?'],
    ['explain database --connections many', 'Expected `--connections` to be a whole number'],
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
    ['presets database', 'did you mean explain database?'],
    ['doctor now', 'Expected no argument'],
    ['toString', 'Expected a command'],
    ['explain constructor', 'Expected a preset'],
    ['plan --detect 30s --format toString', 'Expected `--format`'],
    ['plan --detect 30s --path valueOf', 'Expected `--path`'],
  ])('%s', async (line, expected) => {
    const { code, out, err } = await type(line);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toMatch(/^tcp-keepalive: Expected [^\n]*\n$/);
    expect(err).toContain(expected);
  });
});

describe('a time', () => {
  test.each([
    ['30s', 30_000],
    ['1m30s', 90_000],
    ['500ms', 500],
    ['1500', 1_500],
    ['2h', 7_200_000],
    ['1d', 86_400_000],
    ['1.5s', 1_500],
  ])('%s is %d ms', (text, ms) => {
    expect(parseTime('--detect', text)).toBe(ms);
  });

  test.each([
    [0, '0s'],
    [204, '204ms'],
    [24_500, '24.5s'],
    [119_999, '120s'],
    [929_000, '15m29s'],
    [7_875_000, '2h11m'],
    [432_000_000, '5d'],
    [Infinity, 'never'],
  ])('of %d ms reads %s', (ms, text) => {
    expect(formatTime(ms)).toBe(text);
  });

  test.each([
    [500, '500ms'],
    [24_500, '24.5s'],
    [543_500, '9m3.5s'],
    [5_748_000, '1h35m48s'],
    [7_200_000, '2h'],
    [2_147_483_647, '24d20h31m23.647s'],
  ])('of %d ms is exactly %s', (ms, text) => {
    expect(exactTime(ms)).toBe(text);
    expect(parseTime('--detect', text)).toBe(ms);
  });
});

describe('as a process', () => {
  let folder: string;
  const bundle = () => path.join(folder, 'cli.mjs');

  beforeAll(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'tcp-keepalive-'));
    await build({
      entryPoints: [fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))],
      bundle: true,
      platform: 'node',
      format: 'esm',
      outfile: bundle(),
      external: ['koffi'],
    });
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  const spawn = (...args: string[]) =>
    promisify(execFile)(process.execPath, [bundle(), ...args], {
      // Node itself looks at these, also where they are empty.
      env: { ...process.env, FORCE_COLOR: undefined, NO_COLOR: undefined },
    });

  test('explain answers where there is no koffi, and without colour on a pipe', async () => {
    // The temporary folder has no node_modules, so that a load would fail.
    const { stdout, stderr } = await spawn('explain', 'database');
    expect(stdout).toContain('✖');
    expect(stdout).not.toContain(ESCAPE);
    expect(stderr).toBe('');
  });

  const hasStyles = 'styleText' in util;
  test.skipIf(!hasPseudoTerminals || !hasStyles).each([
    { setting: 'without NO_COLOR', env: {}, isColored: true },
    { setting: 'where NO_COLOR is empty', env: { NO_COLOR: '' }, isColored: true },
    { setting: 'where NO_COLOR is set', env: { NO_COLOR: '0' }, isColored: false },
  ])('on a terminal, $setting: in colour $isColored', async ({ env, isColored }) => {
    const { PATH } = process.env;
    const terminal = inPseudoTerminal([process.execPath, bundle(), 'presets'], { PATH, ...env });
    const { code, out } = await terminal.ended;
    expect(code).toBe(0);
    expect(out).toContain('fastFailover');
    expect(out.includes(ESCAPE)).toBe(isColored);
  });

  test('doctor fails there, and says why', async () => {
    await expect(spawn('doctor', '--json')).rejects.toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/"fail"[^}]*koffi could not be loaded/),
    });
  });

  const hasNamespaces = spawnSync('unshare', ['-Urn', 'true']).status === 0;
  test.skipIf(!hasNamespaces)(
    'doctor tells of settings that Linux takes, and that this library does not',
    async () => {
      const program = ['-Urn', 'sh', '-c', 'echo $1 > /proc/sys/net/ipv4/$0; shift; exec "$@"'];
      const told = async (name: string, value: string) => {
        const command = [...program, name, value, process.execPath, bundle(), 'doctor', '--json'];
        const { stdout } = await promisify(execFile)('unshare', command).catch((error) => error);
        return JSON.parse(stdout).find(({ subject }: { subject: string }) => subject === 'system defaults');
      };
      expect(await told('tcp_keepalive_time', '43200')).toMatchObject({
        message: expect.stringMatching(/^12h, 75s, 9 probes: .* noticed after 12h11m;/),
      });
      expect(await told('tcp_keepalive_intvl', '0')).toMatchObject({
        status: 'warning',
        message: expect.stringContaining('Expected `keepaliveIntvl` to be from 1000'),
      });
    },
  );

  test('wrong usage ends with 2, in one line', async () => {
    await expect(spawn('explain', 'data\nbase\u001b[31m')).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^tcp-keepalive: \P{Cc}*\n$/u),
    });
  });

  test.skipIf(!fs.existsSync('/dev/full'))('a full disk is told of in one line', async () => {
    const full = fs.openSync('/dev/full', 'w');
    const { status, stderr } = spawnSync(process.execPath, [bundle(), 'presets'], {
      stdio: ['ignore', full, 'pipe'],
      encoding: 'utf8',
    });
    fs.closeSync(full);
    expect(stderr).toMatch(/^tcp-keepalive: ENOSPC[^\n]*\n$/);
    expect(status).toBe(1);
  });

  test('wrong usage ends with 2, without a stack trace', async () => {
    await expect(spawn('explain', 'databse')).rejects.toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(/^tcp-keepalive: Expected a preset[^\n]*\n$/),
    });
  });
});

test('every known path is a name that --path takes', async () => {
  for (const name of Object.keys(pathIdleLimits)) {
    expect((await type(`explain database --path ${name}`)).code).toBeLessThan(2);
  }
});

const manual = fs.readFileSync(new URL('../../docs/cli.md', import.meta.url), 'utf8');
const shown = [...manual.matchAll(/^```console\n\$ npx tcp-keepalive (.*)\n([\s\S]*?)^```$/gm)].map(
  ([, line = '', output = '']) => ({ line, output }),
);

describe('the manual shows what is really printed', () => {
  // What doctor prints is another machine's.
  test.each(shown.filter(({ line }) => line !== 'doctor'))('$line', async ({ line, output }) => {
    expect((await type(line)).out).toBe(output);
  });

  test('by every command', () => {
    const commands = new Set(shown.map(({ line }) => line.split(' ')[0]));
    expect([...commands].sort()).toEqual(['doctor', 'explain', 'plan', 'presets']);
  });
});

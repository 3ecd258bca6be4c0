import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nodeTakesIntervalAndCount } from '../../src/sockets/node-way.ts';
import { bundleFile } from '../helpers/bundle.ts';
import { bundledCli, expectRefused, type } from '../helpers/command-line.ts';
import { PATIENCE } from '../helpers/patience.ts';

interface Diagnosis {
  readonly subject: string;
  readonly status: string;
  readonly message: string;
  readonly advice?: string;
  readonly values?: Readonly<Record<string, unknown>>;
}

interface Doctor {
  readonly ok: boolean;
  readonly unit: string;
  readonly diagnoses: readonly Diagnosis[];
}

describe.runIf(process.platform === 'linux')('doctor', () => {
  test('finds facts, and says that all is well', async () => {
    const { code, out } = await type('doctor --json');
    const { ok, unit, diagnoses }: Doctor = JSON.parse(out);
    expect({ code, ok, unit }).toEqual({ code: 0, ok: true, unit: 'milliseconds' });
    expect(new Set(diagnoses.map(({ status }) => status))).toEqual(new Set(['ok']));
    expect(about(diagnoses, 'runtime').message).toContain(process.versions.node);
    expect(about(diagnoses, 'options').message).toContain('userTimeout (TCP_USER_TIMEOUT)');
    expect(about(diagnoses, 'system defaults').message).toMatch(/probes: .* noticed after/);
    expect(about(diagnoses, 'setKeepAlive(true, 60000)')).toMatchObject({
      message: expect.stringContaining('Node leaves 60s, 1s, 10 probes'),
      values: { enable: true, initialDelay: 60_000, interval: 1_000, count: 10, idle: 70_000 },
    });
    expect(about(diagnoses, 'http agent').message).toContain('Node leaves 1s, 1s, 10 probes');
    expect(about(diagnoses, 'tcp-keepalive').values).toMatchObject({ userTimeout: 24_500 });
    expect(about(diagnoses, 'rules').message).toBe('none in this environment');
  });

  test('ends with a verdict, in lines of 80 columns', async () => {
    const { out } = await type('doctor --strict');
    expect(out).toMatch(/^ok {7}runtime: /m);
    expect(out).toMatch(/\n\nAll is well\.\n$/);
    for (const line of out.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });
});

test('an argument is refused', async () => {
  await expectRefused('doctor now', 'Expected no argument');
});

describe('as a process without koffi', () => {
  const cli = bundledCli();

  test('fails, and says why, once', async () => {
    const failed = (...args: string[]) => cli.run('doctor', ...args).catch((error) => error);
    const { code, stdout } = await failed('--json');
    expect(code).toBe(1);
    const { ok, diagnoses }: Doctor = JSON.parse(stdout);
    expect(ok).toBe(false);
    expect(diagnoses.filter(({ status }) => status === 'fail')).toMatchObject([
      { subject: 'system calls', advice: expect.stringMatching(/^Cannot load koffi/) },
    ]);
    const lacking = `${nodeTakesIntervalAndCount ? '' : 'interval, count, '}userTimeout, maxRetransmitInterval, failOnUnreachable`;
    expect(about(diagnoses, 'options').message).toContain(`without system calls not: ${lacking}`);
    const { stdout: text } = await failed();
    for (const line of text.split('\n'))
      expect(line).toMatch(/^(?:ok {7}|warning {2}|fail {5}| {9}|$|1 fail\.)/);
    expect(text.match(/Cannot load koffi/g)).toHaveLength(1);
  });
});

describe.runIf(process.platform === 'linux')('as a process with koffi', () => {
  const directory = mkdtempSync(join(tmpdir(), 'tcp-keepalive-'));
  const cli = join(directory, 'cli.mjs');
  const register = join(directory, 'register.cjs');
  beforeAll(async () => {
    symlinkSync(
      fileURLToPath(new URL('../../node_modules', import.meta.url)),
      join(directory, 'node_modules'),
    );
    await bundleFile('src/cli/main.ts', cli, 'esm');
    await bundleFile('src/register.cts', register, 'cjs');
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  /** Runs doctor; `before` is what comes before Node's own arguments. */
  const doctor = (
    { env = {}, node = [], strict = false }: { env?: object; node?: string[]; strict?: boolean },
    ...before: string[]
  ): Promise<Doctor & { code: number }> => {
    const [command = '', ...args] = [...before, process.execPath, ...node, cli, 'doctor', '--json'];
    const options = { env: { PATH: process.env.PATH, ...env }, timeout: PATIENCE };
    return new Promise((resolve, reject) => {
      execFile(command, strict ? [...args, '--strict'] : args, options, (error, out, err) => {
        if (out === '') reject(new Error(err));
        else resolve({ ...JSON.parse(out), code: error === null ? 0 : error.code });
      });
    });
  };

  test('reads the rules of the environment, and measures Node without them', async () => {
    const env = { TCP_KEEPALIVE: '5432=database; *=loadBalancer' };
    const unloaded = await doctor({ env });
    expect(about(unloaded.diagnoses, 'rules')).toEqual({
      subject: 'rules',
      status: 'ok',
      message:
        '2 in TCP_KEEPALIVE: 5432=database; *=loadBalancer; programs get them with --require tcp-keepalive/register',
      values: { rules: ['5432=database', '*=loadBalancer'], strict: false, loaded: false },
    });
    const loaded = await doctor({ env, node: ['--require', register] });
    expect(loaded).toMatchObject({ ok: true, code: 0 });
    expect(about(loaded.diagnoses, 'rules').message).toMatch(/; this process has them$/);
    expect(about(loaded.diagnoses, 'setKeepAlive(true, 60000)').message).toContain('60s, 1s, 10 probes');
  });

  test('names a mistake in the rules', async () => {
    const { ok, code, diagnoses } = await doctor({ env: { TCP_KEEPALIVE: '5432=databse' } });
    expect({ ok, code }).toEqual({ ok: false, code: 1 });
    expect(about(diagnoses, 'rules')).toMatchObject({
      status: 'fail',
      message: expect.stringContaining('did you mean `database`? (TCP_KEEPALIVE, rule 1, character 6)'),
    });
  });

  test('reviews the options of each rule; with --strict a warning is exit code 1', async () => {
    const file = join(directory, 'rules.json');
    const use = { initialDelay: 60_000, interval: 10_000, count: 3 };
    writeFileSync(file, JSON.stringify({ rules: [{ port: 5432, use }] }));
    const env = { TCP_KEEPALIVE_CONFIG: file };
    const lenient = await doctor({ env });
    expect(lenient).toMatchObject({ ok: false, code: 0 });
    expect(lenient.diagnoses.filter(({ status }) => status !== 'ok')).toMatchObject([
      {
        subject: 'rule 5432=initialDelay=60s,interval=10s,count=3',
        status: 'warning',
        message: expect.stringContaining('no bound on data in flight'),
        values: { code: 'data-unbounded' },
      },
    ]);
    expect(await doctor({ env, strict: true })).toMatchObject({ ok: false, code: 1 });
  });

  const hasNamespaces = spawnSync('unshare', ['-Urnm', 'true']).status === 0;
  describe.skipIf(!hasNamespaces)('in a container', () => {
    const withSysctl = (name: string, value: string) =>
      doctor(
        {},
        'unshare',
        '-Urn',
        'sh',
        '-c',
        'echo $1 > /proc/sys/net/ipv4/$0; shift; exec "$@"',
        name,
        value,
      );

    test.each([
      {
        name: 'tcp_keepalive_time',
        value: '43200',
        want: {
          status: 'ok',
          message: expect.stringMatching(/^12h, 75s, 9 probes: .* noticed after 12h11m;/),
        },
      },
      {
        name: 'tcp_keepalive_probes',
        value: '0',
        want: {
          status: 'fail',
          message: expect.stringMatching(/is reset after 2h of silence, although its peer lives$/),
        },
      },
      {
        name: 'tcp_keepalive_intvl',
        value: '0',
        want: { status: 'fail', message: expect.stringContaining('net.ipv4.tcp_keepalive_intvl is 0') },
      },
      {
        name: 'tcp_keepalive_time',
        value: '0',
        want: { status: 'fail', message: expect.stringContaining('net.ipv4.tcp_keepalive_time is 0') },
      },
    ])('$name = $value', async ({ name, value, want }) => {
      const { diagnoses } = await withSysctl(name, value);
      expect(about(diagnoses, 'system defaults')).toMatchObject(want);
    });

    test('without a loopback interface the cause is told', async () => {
      const { code, diagnoses } = await doctor({}, 'unshare', '-Urn');
      expect(code).toBe(1);
      expect(about(diagnoses, 'sockets')).toMatchObject({
        status: 'fail',
        message: expect.stringMatching(/^a connection on the loopback interface failed: (connect|listen) E/),
        advice: expect.stringContaining('loopback'),
      });
    });

    test('without /proc the defaults of Linux are assumed', async () => {
      const hide = 'mount -t tmpfs none /proc && exec "$0" "$@"';
      const { diagnoses } = await doctor({}, 'unshare', '-Urm', 'sh', '-c', hide);
      expect(about(diagnoses, 'system defaults')).toMatchObject({
        status: 'ok',
        message: expect.stringMatching(/^cannot be read \(ENOENT.*those of Linux are assumed/),
      });
      expect(about(diagnoses, 'tcp-keepalive').status).toBe('ok');
    });
  });

  test.runIf(process.arch === 'x64')('a seccomp profile that refuses the calls is told as such', async () => {
    const refuse = join(directory, 'refuse.cjs');
    writeFileSync(refuse, refuseTcpOptions);
    const { code, diagnoses } = await doctor({ node: ['--require', refuse] });
    expect(code).toBe(1);
    expect(about(diagnoses, 'sockets')).toMatchObject({
      status: 'fail',
      message: expect.stringMatching(/^a socket's options cannot be set or read: .*EPERM/),
      advice: expect.stringContaining('seccomp'),
    });
  });
});

/** A program for seccomp: EPERM for setsockopt and getsockopt at the level of TCP. */
const refuseTcpOptions = `
const koffi = require('koffi');
const prctl = koffi.load(null).func('int prctl(int, uintptr_t, uintptr_t, uintptr_t, uintptr_t)');
const instruction = (code, yes, no, value) => {
  const bytes = Buffer.from([code, 0, yes, no, 0, 0, 0, 0]);
  bytes.writeUInt32LE(value, 4);
  return bytes;
};
const program = Buffer.concat([
  instruction(0x20, 0, 0, 0), // the call's number
  instruction(0x15, 1, 0, 54), // setsockopt
  instruction(0x15, 0, 3, 55), // getsockopt
  instruction(0x20, 0, 0, 24), // the level
  instruction(0x15, 0, 1, 6), // TCP
  instruction(0x06, 0, 0, 0x00050001), // EPERM
  instruction(0x06, 0, 0, 0x7fff0000), // allowed
]);
const filter = Buffer.alloc(16);
filter.writeUInt16LE(7, 0);
filter.writeBigUInt64LE(koffi.address(program), 8);
if (prctl(38, 1, 0, 0, 0) !== 0 || prctl(22, 2, koffi.address(filter), 0, 0) !== 0) throw new Error('no seccomp');
`;

function about(diagnoses: readonly Diagnosis[], subject: string): Diagnosis {
  const found = diagnoses.filter((diagnosis) => diagnosis.subject === subject);
  expect(found).toHaveLength(1);
  return found[0] as Diagnosis;
}

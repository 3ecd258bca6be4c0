import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { bundledCli, expectRefused, type } from '../helpers/command-line.ts';

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

test('an argument is refused', async () => {
  await expectRefused('doctor now', 'Expected no argument');
});

describe('as a process without koffi', () => {
  const cli = bundledCli();

  test('fails, and says why', async () => {
    await expect(cli.run('doctor', '--json')).rejects.toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/"fail"[^}]*Cannot load koffi/),
    });
  });

  const hasNamespaces = spawnSync('unshare', ['-Urn', 'true']).status === 0;
  test.skipIf(!hasNamespaces)(
    'tells of settings that Linux takes, and that this library does not',
    async () => {
      const program = ['-Urn', 'sh', '-c', 'echo $1 > /proc/sys/net/ipv4/$0; shift; exec "$@"'];
      const told = async (name: string, value: string) => {
        const command = [...program, name, value, process.execPath, cli.file, 'doctor', '--json'];
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
});

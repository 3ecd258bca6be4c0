import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { applyToProcess, drillProcess } from 'tcp-keepalive/machine';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { planChanges, writeChanges } from '../../src/machine/apply.ts';
import { identify, isRunning } from '../../src/machine/process.ts';
import { parseKeepAliveOptions } from '../../src/options/parse.ts';
import { bundledCli } from '../helpers/command-line.ts';
import { type Clients, clientsOf, isRoot, missingPython, startProcess } from '../helpers/other-process.ts';
import { PATIENCE } from '../helpers/patience.ts';

const idle = [process.execPath, '-e', 'setInterval(() => {}, 1000)'];
const cli = bundledCli({ koffi: true });

/** Expects that both functions refuse a process, before they look at any connection. */
async function expectRefused(pid: number, code: string, expected: string): Promise<void> {
  const error = { code, message: expect.stringContaining(expected) };
  await expect(applyToProcess(pid, { remote: 5432 }, 'database')).rejects.toMatchObject(error);
  await expect(drillProcess(pid, { remote: 5432 })).rejects.toMatchObject(error);
}

describe.runIf(process.platform === 'linux')('a process whose sockets cannot be changed', () => {
  test.each([0, -1, 1.5, 2 ** 31, '4711', undefined])('an id that is none: %s', async (pid) => {
    await expectRefused(pid as number, 'ERR_KEEPALIVE_INVALID_OPTION', '`pid` to be the id of a process');
  });

  test('this one', async () => {
    await expectRefused(process.pid, 'ERR_KEEPALIVE_INVALID_OPTION', 'call setKeepAlive in it');
  });

  test('none', async () => {
    await expectRefused(2 ** 30, 'ESRCH', 'No process here has the id 1073741824');
  });

  test('one that has ended, whose parent has not looked', async () => {
    const parent = startProcess(['sh', '-c', 'sleep 0 & echo "child $!." && exec sleep 1000']);
    await parent.says(/child \d+\./);
    const pid = Number(/child (\d+)/.exec(parent.out())?.[1]);
    await vi.waitFor(() => expect(readFileSync(`/proc/${pid}/stat`, 'utf8')).toContain(') Z '), PATIENCE);
    await expectRefused(pid, 'ESRCH', 'has ended (a zombie)');
  });

  test.runIf(existsSync('/proc/2/comm'))('a thread of the kernel', async () => {
    await expectRefused(2, 'ESRCH', '2 is a thread of the kernel');
  });

  test('a thread of a program', async () => {
    const { pid } = startProcess(idle);
    const threads = () => readdirSync(`/proc/${pid}/task`).map(Number);
    await vi.waitFor(() => expect(threads().length).toBeGreaterThan(1), PATIENCE);
    const thread = threads().find((id) => id !== pid) ?? 0;
    await expectRefused(thread, 'ESRCH', `${thread} is a thread of process ${pid}: give that one`);
  });

  test.runIf(spawnSync('unshare', ['-Urn', 'true']).status === 0)('one in another network', async () => {
    const { pid, says } = startProcess(['unshare', '-Urn', 'sh', '-c', 'echo there; exec sleep 1000']);
    await says('there');
    await expectRefused(pid, 'ESRCH', `nsenter --net --target ${pid}`);
  });

  test.runIf(isRoot)('one that got the id of the process that was meant', async ({ skip }) => {
    const clients = await clientsOf(1);
    const meant = identify(clients.pid);
    const settings = parseKeepAliveOptions('database');
    const planned = await planChanges(meant, { remote: clients.port }, settings);
    clients.child.kill('SIGKILL');
    await once(clients.child, 'exit');
    if (!takeId(clients.pid)) skip('this kernel does not let ids of processes be chosen');
    expect(isRunning(meant)).toBe(false);
    const [change] = await writeChanges(meant, planned, settings);
    expect(change?.error).toMatchObject({ code: 'ESRCH', message: `Process ${clients.pid} has ended` });
  });
});

/** Starts processes until one has this id. Others may start meanwhile. */
function takeId(pid: number): boolean {
  for (let tries = 0; tries < 20; tries++) {
    try {
      writeFileSync('/proc/sys/kernel/ns_last_pid', String(pid - 1));
    } catch {
      return false;
    }
    if (startProcess(idle).pid === pid) return true;
  }
  return false;
}

/** Runs the command line as another program starts it, and expects one line and no change. */
function expectOneLine(clients: Clients, by: readonly string[], expected: string): void {
  const target = ['--pid', String(clients.pid), '--remote', `:${clients.port}`, '--yes'];
  for (const command of [
    ['apply', 'database'],
    ['drill', '--for', '1s'],
  ]) {
    const [program = '', ...args] = [...by, process.execPath, cli.file, ...command, ...target];
    const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', timeout: PATIENCE });
    expect({ status, stdout }, stderr).toEqual({ status: 1, stdout: '' });
    expect(stderr).toMatch(/^tcp-keepalive: [^\n]+\n$/);
    expect(stderr).toContain(expected);
  }
}

describe.runIf(process.platform === 'linux')(
  'what the system refuses is one line, and nothing is changed',
  () => {
    const nobody = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'];

    test.runIf(isRoot && spawnSync('setpriv', ['--version']).status === 0)('by another user', async () => {
      expectOneLine(await clientsOf(1), nobody, 'run this as its user, or as root');
    });

    const seccomp = (number: number, errno: number, first = -1) => [
      'python3',
      'test/helpers/refusing-calls.py',
      ...[number, errno, first].map(String),
    ];
    const hasSeccomp =
      process.arch === 'x64' &&
      missingPython() === undefined &&
      spawnSync('python3', [...seccomp(434, 1).slice(1), 'true']).status === 0;

    test.runIf(hasSeccomp).each([
      ['pidfd_getfd, as a container does', seccomp(438, 1), '--cap-add SYS_PTRACE'],
      ['pidfd_open, as if there were none', seccomp(434, 38), 'it needs Linux 5.6'],
      ['netlink', seccomp(41, 1, 16), 'NETLINK_SOCK_DIAG failed: EPERM'],
    ])('by seccomp: %s', async (_what, by, expected) => {
      expectOneLine(await clientsOf(1), by, expected);
    });
  },
);

// No kernel of the tests has Yama, so what it would say is injected.
test.each([
  ['1', 'run this as root, because of Yama (kernel.yama.ptrace_scope = 1)'],
  ['3', 'Yama lets nobody (kernel.yama.ptrace_scope = 3)'],
  ['0', 'it has more rights than this process: run this as root, with CAP_SYS_PTRACE'],
])('what Yama refuses, at %s', async (scope, expected) => {
  vi.doMock('node:fs', async (original) => ({
    ...(await original<typeof import('node:fs')>()),
    readFileSync: (path: string) => (path.endsWith('ptrace_scope') ? `${scope}\n` : 'Seccomp:\t0\n'),
  }));
  vi.resetModules();
  onTestFinished(() => {
    vi.doUnmock('node:fs');
    vi.resetModules();
  });
  const { explained } = await import('../../src/machine/process.ts');
  const refused = Object.assign(new Error('pidfd_getfd failed'), { code: 'EPERM' });
  expect(explained(refused, process.pid)).toMatchObject({
    code: 'EPERM',
    message: `Cannot reach the sockets of process ${process.pid} (EPERM): ${expected}${scope === '3' ? ' until the machine is started again' : ''}`,
    cause: refused,
  });
});

describe('where it cannot be', () => {
  const bare = bundledCli();

  test.runIf(process.platform === 'linux')('without koffi', async () => {
    for (const command of [['apply', 'database'], ['drill']]) {
      const run = bare.run(...command, '--pid', '4711', '--remote', ':1', '--yes');
      await expect(run).rejects.toMatchObject({
        code: 1,
        stdout: '',
        stderr: expect.stringMatching(/^tcp-keepalive: Cannot load koffi[^\n]+\n$/),
      });
    }
  });

  test('on another system than Linux', async () => {
    const { platform } = process;
    try {
      Object.defineProperty(process, 'platform', { value: 'darwin' });
      vi.resetModules();
      const { applyToProcess } = await import('../../src/machine/index.ts');
      await expect(applyToProcess(1, {}, 'database')).rejects.toMatchObject({
        code: 'ERR_KEEPALIVE_UNSUPPORTED',
        message: expect.stringContaining('only Linux can'),
      });
    } finally {
      Object.defineProperty(process, 'platform', { value: platform });
      vi.resetModules();
    }
  });
});

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import net from 'node:net';
import koffi from 'koffi';
import { listConnections } from 'tcp-keepalive/machine';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { bindSockDiag, sockDiag } from '../../native-bindings/sock-diag.ts';
import { requestFor } from '../../src/machine/request.ts';
import { bundledCli, type } from '../helpers/command-line.ts';
import { listen, openTo } from '../helpers/listen.ts';
import { PATIENCE } from '../helpers/patience.ts';

const cli = bundledCli();
const withKoffi = bundledCli({ koffi: true });

async function connected(): Promise<{ client: net.Socket; port: number }> {
  const server = net.createServer(() => {});
  const port = await listen(server);
  const client = net.connect(port, '127.0.0.1').on('error', () => {});
  onTestFinished(() => void client.destroy());
  await once(client, 'connect');
  return { client, port };
}

const commands = ['sockets', 'exporter --port 0'];

describe.runIf(process.platform === 'linux')('what the system refuses is one line', () => {
  test.each(commands)('%s without koffi', async (command) => {
    await expect(cli.run(...command.split(' '))).rejects.toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/^tcp-keepalive: [^\n]*koffi[^\n]*\n$/),
    });
  });

  test.each(commands)('%s on another system', async (command) => {
    vi.spyOn(process, 'platform', 'get').mockReturnValue('darwin');
    onTestFinished(() => void vi.restoreAllMocks());
    const { code, err, out } = await type(command);
    expect({ code, out, err }).toEqual({
      code: 1,
      out: '',
      err: expect.stringMatching(/^tcp-keepalive: Cannot list the sockets[^\n]*darwin: only Linux can\n$/),
    });
  });

  test.skipIf(process.arch !== 'x64').each(commands)('%s where netlink is refused', (command) => {
    const preload = `data:text/javascript,${encodeURIComponent(withoutNetlink)}`;
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ['--import', 'tsx', '--import', preload, 'src/cli/main.ts', ...command.split(' ')],
      { encoding: 'utf8' },
    );
    expect({ status, stdout, stderr }).toEqual({
      status: 1,
      stdout: '',
      stderr: expect.stringMatching(/^tcp-keepalive: [^\n]*EPERM[^\n]*\n$/),
    });
  });

  test.skipIf(process.getuid?.() !== 0).each(commands)('%s of a process of another user', (command) => {
    const { status, stdout, stderr } = spawnSync(
      'setpriv',
      [
        ...['--bounding-set=-all', '--inh-caps=-all', '--reuid', '65534', '--clear-groups'],
        ...[process.execPath, withKoffi.file, ...command.split(' '), '--pid', String(process.pid)],
      ],
      { encoding: 'utf8' },
    );
    expect({ status, stdout, stderr }).toEqual({
      status: 1,
      stdout: '',
      stderr: expect.stringMatching(
        /^tcp-keepalive: Cannot look at the sockets of process \d+ \(EACCES\)[^\n]*\n$/,
      ),
    });
  });

  test('a zombie has no connections', async () => {
    const child = spawn('sh', ['-c', 'sleep 0 & echo $!; exec sleep 60']);
    onTestFinished(() => void child.kill('SIGKILL'));
    const pid = Number(String((await once(child.stdout, 'data'))[0]));
    await vi.waitUntil(() => /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8')), PATIENCE);
    expect(await listConnections({ pid })).toEqual([]);
    expect(await type(`sockets --pid ${pid}`)).toMatchObject({ code: 0, err: '' });
  });

  test.skipIf(!existsSync('/proc/2/comm') || readFileSync('/proc/2/comm', 'utf8') !== 'kthreadd\n')(
    'a thread of the kernel has no connections',
    async () => {
      expect(await listConnections({ pid: 2 })).toEqual([]);
    },
  );

  test('its own process', async () => {
    const { port } = await connected();
    const { code, out } = await type(`sockets --pid ${process.pid} --remote :${port}`);
    expect({ code, out }).toEqual({
      code: 0,
      out: expect.stringContaining(`node ${process.pid}
`),
    });
  });

  test('another network namespace has its own connections', async ({ skip }) => {
    await connected();
    const command = ['-rn', process.execPath, '--import', 'tsx', 'src/cli/main.ts', 'sockets'];
    const { status, stdout } = spawnSync('unshare', command, { encoding: 'utf8' });
    if (status === null || !stdout) skip('unshare is refused here');
    expect(stdout).toContain('0 connections: ');
  });

  test('a socket that is closed while it is looked at', async () => {
    const { client, port } = await connected();
    const looking = listConnections({ ...openTo(port), options: true });
    client.destroy();
    for (const { owner } of await looking) expect(owner?.pid ?? process.pid).toBe(process.pid);
  });
});

/** A filter for seccomp: EPERM for sockets of netlink. */
const withoutNetlink = `
import koffi from ${JSON.stringify(import.meta.resolve?.('koffi') ?? 'koffi')};
const prctl = koffi.load(null).func('prctl', 'int', ['int', 'uintptr_t', 'uintptr_t', 'uintptr_t', 'uintptr_t']);
const rows = [
  [0x20, 0, 0, 0], [0x15, 0, 3, 41], [0x20, 0, 0, 16], [0x15, 0, 1, 16], [0x06, 0, 0, 0x50001], [0x06, 0, 0, 0x7fff0000],
];
const program = koffi.alloc('uint8_t', rows.length * 8);
const view = new DataView(koffi.view(program, rows.length * 8));
rows.forEach(([code, yes, no, value], i) => {
  view.setUint16(i * 8, code, true);
  view.setUint8(i * 8 + 2, yes);
  view.setUint8(i * 8 + 3, no);
  view.setUint32(i * 8 + 4, value, true);
});
const filter = koffi.alloc('uint8_t', 16);
const header = new DataView(koffi.view(filter, 16));
header.setUint16(0, rows.length, true);
header.setBigUint64(8, BigInt(koffi.address(program)), true);
if (prctl(38, 1, 0, 0, 0) !== 0 || prctl(22, 2, Number(koffi.address(filter)), 0, 0) !== 0) throw new Error('no seccomp');
`;

describe.runIf(process.platform === 'linux')('a list that is disturbed', () => {
  const everything = { states: 0xfff, local: undefined, remote: undefined };

  test('a receive buffer that was full (an injected ENOBUFS) is not its end', async () => {
    await connected();
    let failures = 0;
    const library = koffi.load(null);
    const failing = {
      ...koffi,
      errno: () => koffi.os.errno.ENOBUFS as number,
      load: () => ({
        func(name: string, ...rest: [string, string[]]) {
          const call = library.func(name, ...rest);
          return name !== 'recv' ? call : (...args: unknown[]) => (++failures <= 3 ? -1 : call(...args));
        },
      }),
    };
    const list = bindSockDiag(failing as never).start(
      requestFor({ ...everything, family: sockDiag.AF_INET }),
    );
    expect(list.receive()).toBeGreaterThan(sockDiag.HEADER);
    list.close();
    expect(failures).toBe(4);
  });

  test('one that the kernel marks as interrupted (an injected mark) is asked for again', async () => {
    const { port } = await connected();
    let lists = 0;
    vi.resetModules();
    vi.doMock('../../native-bindings/sock-diag.ts', async (original) => {
      const real = await original<typeof import('../../native-bindings/sock-diag.ts')>();
      const bind: typeof bindSockDiag = (library) => {
        const diag = real.bindSockDiag(library);
        return {
          ...diag,
          start(request) {
            const list = diag.start(request);
            const isInterrupted = ++lists <= 2;
            const receive = () => {
              const length = list.receive();
              if (isInterrupted) diag.bytes[6] = (diag.bytes[6] ?? 0) | sockDiag.NLM_F_DUMP_INTR;
              return length;
            };
            return { ...list, receive };
          },
        };
      };
      return { ...real, bindSockDiag: bind };
    });
    onTestFinished(() => {
      vi.doUnmock('../../native-bindings/sock-diag.ts');
      vi.resetModules();
    });
    const machine = await import('../../src/machine/index.ts');
    const found = await machine.listConnections(openTo(port));
    expect(found).toHaveLength(1);
    // IPv4 three times, and IPv6 once.
    expect(lists).toBe(4);
  });
});

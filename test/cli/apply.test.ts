import { listConnections } from 'tcp-keepalive/machine';
import { describe, expect, test, vi } from 'vitest';
import { bundledCli, expectRefused, type } from '../helpers/command-line.ts';
import { openTo } from '../helpers/listen.ts';
import { type Clients, clientsOf, startProcess } from '../helpers/other-process.ts';
import { PATIENCE } from '../helpers/patience.ts';
import { hasPseudoTerminals, inPseudoTerminal } from '../helpers/pseudo-terminal.ts';
import { fixtureArguments } from '../helpers/run-fixture.ts';

const cli = bundledCli({ koffi: true });

const line = ({ pid, port }: Clients, more: string, what = 'tunnel') =>
  `apply ${what} --pid ${pid} --remote :${port} ${more}`.trim();

async function delaysOf({ pid, port }: Clients): Promise<(number | undefined)[]> {
  const connections = await listConnections({ pid, remote: port });
  return connections.map(({ options }) => (options?.enable ? options.initialDelay : undefined));
}

const asked: string[] = [];
const answering = (answer: boolean) => ({
  async ask(question: string) {
    asked.push(question);
    return answer;
  },
});

describe.runIf(process.platform === 'linux')('tcp-keepalive apply', () => {
  test('shows before and after, asks, and changes', async () => {
    const clients = await clientsOf(2);
    const told = await type(line(clients, ''), answering(true));
    expect(asked.pop()).toBe(`Change 2 connections of node ${clients.pid}? [y/N] `);
    expect(told).toMatchObject({ code: 0, err: '' });
    expect(told.out).toContain(`node ${clients.pid}\npeer `);
    expect(told.out).toMatch(/^127\.0\.0\.1:\d+ +estab +off +30s\/10s\/6 89\.5s( max 11\.2s)?$/m);
    expect(told.out).toContain('\n2 connections changed.\n');
    for (const text of told.out.split('\n')) expect(text.length, text).toBeLessThanOrEqual(80);
    expect(await delaysOf(clients)).toEqual([30_000, 30_000]);
    const again = await type(line(clients, ''));
    expect(again).toMatchObject({ code: 2 });
    const same = await type(line(clients, '--yes'));
    expect(same.out).toMatch(/the same$/m);
    expect(same.out).toContain('Nothing differs, and nothing was changed.\n');
  });

  test('changes nothing if it is told no, has nobody to ask, or is to be dry', async () => {
    const clients = await clientsOf(1);
    const no = await type(line(clients, ''), answering(false));
    expect(no).toMatchObject({ code: 1, err: 'Nothing was changed.\n' });
    await expectRefused(line(clients, ''), 'Expected --yes, because there is no terminal on which to ask');
    const dry = await type(line(clients, '--dry-run'));
    expect(dry).toMatchObject({ code: 0, err: '' });
    expect(dry.out).toContain('1 connection would be changed.\n');
    expect(await delaysOf(clients)).toEqual([undefined]);
  });

  test('as JSON, dry and done', async () => {
    const clients = await clientsOf(1);
    const [dry, done] = [
      await type(line(clients, '--json --dry-run')),
      await type(line(clients, '--json --yes')),
    ];
    for (const { out } of [dry, done]) {
      const { process, connections } = JSON.parse(out);
      expect(process).toEqual({ name: 'node', pid: clients.pid });
      expect(connections).toMatchObject([
        {
          remote: { address: '127.0.0.1', port: clients.port },
          state: 'ESTABLISHED',
          before: { enable: false },
          after: { enable: true, initialDelay: 30_000 },
          skipped: [],
          mayBeWrittenBack: false,
        },
      ]);
    }
  });

  test('options may be typed, alone or after a preset', async () => {
    const clients = await clientsOf(1);
    await type(line(clients, '--yes', 'tunnel initialDelay=40s'));
    expect(await delaysOf(clients)).toEqual([40_000]);
    await type(line(clients, '--yes', 'initialDelay=50s'));
    expect(await delaysOf(clients)).toEqual([50_000]);
  });

  test('says what a hold in that process may write back', async () => {
    const { port } = await clientsOf(0);
    const held = startProcess([
      process.execPath,
      ...(await fixtureArguments('held-client.ts', String(port))),
    ]);
    await held.says('both are open');
    const { out } = await type(`apply tunnel --pid ${held.pid} --remote :${port} --dry-run`);
    expect(out).toContain('note  1 connection may be held in that process by tcp-keepalive, which');
  });

  test('tells that a user timeout waits, and writes it', async () => {
    const clients = await clientsOf(1);
    const silence = async () => (await listConnections(openTo(clients.port)))[0]?.info?.lastAckReceived;
    await vi.waitFor(async () => expect(await silence()).toBeGreaterThan(1_100), PATIENCE);
    const words = 'initialDelay=1s interval=5s count=3 userTimeout=auto';
    const { out } = await type(line(clients, '--yes', words));
    expect(out).toContain('note  1 connection had not been heard for longer than initialDelay: userTimeout');
    const [connection] = await listConnections({ pid: clients.pid, remote: clients.port });
    expect(connection?.options?.userTimeout).toBe(15_500);
  });

  test('a listener, and with --watch connections that are opened later, until it is stopped', async () => {
    const clients = await clientsOf(1);
    const program =
      "const server = require('node:net').createServer().listen(0, '127.0.0.1', () => console.log('port ' + server.address().port + '.'))";
    const listener = startProcess([process.execPath, '-e', program]);
    await listener.says(/port \d+\./);
    const port = Number(/port (\d+)/.exec(listener.out())?.[1]);
    const { out } = await type(`apply tunnel --pid ${listener.pid} --listen 127.0.0.1:${port} --yes`);
    expect(out).toMatch(new RegExp(`^127\\.0\\.0\\.1:${port} +listen +off +30s/10s/6`, 'm'));
    const [listed] = await listConnections({ pid: listener.pid, local: port, state: 'LISTEN' });
    expect(listed?.options).toMatchObject({ enable: true, initialDelay: 30_000 });

    const watch = startProcess([process.execPath, cli.file, ...line(clients, '--yes --watch').split(' ')]);
    await watch.says('1 connection changed.');
    await watch.says(`Watching node ${clients.pid}`);
    clients.tell('connect()');
    await watch.says(/127\.0\.0\.1:\d+ +off -> 30s\/10s\/6 89\.5s/);
    expect(await delaysOf(clients)).toEqual([30_000, 30_000]);
    watch.child.kill('SIGINT');
    await vi.waitFor(() => expect(watch.child.exitCode).toBe(0), PATIENCE);
  });

  test('--watch ends with the process', async () => {
    const clients = await clientsOf(0);
    const watch = startProcess([process.execPath, cli.file, ...line(clients, '--yes --watch').split(' ')]);
    await watch.says('Watching');
    clients.child.kill();
    await watch.says(`node ${clients.pid} has ended.`);
    await vi.waitFor(() => expect(watch.child.exitCode).toBe(0), PATIENCE);
  });

  test.runIf(hasPseudoTerminals).each([
    ['y\r', 0, '1 connection changed.'],
    ['\r', 1, 'Nothing was changed.'],
    ['\u0004', 1, 'Nothing was changed.'],
    ['\u0003', 130, 'Change 1 connection'],
  ])('on a terminal, %j is exit code %i', async (keys, code, expected) => {
    const clients = await clientsOf(1);
    const { env } = process;
    const terminal = inPseudoTerminal([process.execPath, cli.file, ...line(clients, '').split(' ')], env);
    await terminal.shows('[y/N]');
    terminal.type(keys);
    const ended = await terminal.ended;
    expect(ended.code).toBe(code);
    expect(ended.out).toContain(expected);
    expect(await delaysOf(clients)).toEqual([code === 0 ? 30_000 : undefined]);
  });

  test('nothing that matches is one line', async () => {
    const { pid } = await clientsOf(1);
    const { code, err } = await type(`apply tunnel --pid ${pid} --remote :1 --yes`);
    expect({ code, err }).toEqual({
      code: 1,
      err: `tcp-keepalive: Nothing of node ${pid} matches --remote :1: list all with tcp-keepalive sockets --pid ${pid}\n`,
    });
  });

  test('a process that is none is one line', async () => {
    const { code, out, err } = await type('apply tunnel --pid 1073741824 --remote :1 --yes');
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toMatch(/^tcp-keepalive: No process here has the id 1073741824[^\n]*\n$/);
  });

  test.each([
    ['--pid 1 --remote :1', 'Expected a preset or options, such as apply database'],
    ['tunel --pid 1 --remote :1', 'did you mean `tunnel`?'],
    ['tunnel --remote :1', 'Expected --pid, such as --pid 4711'],
    ['tunnel --pid 1', 'Expected --remote or --listen'],
    ['tunnel --pid node --remote :1', '`--pid` to be a whole number'],
    ['tunnel --pid 0 --remote :1 --yes', '`--pid` to be the id of a process'],
    [`tunnel --pid ${process.pid} --remote :1 --yes`, '`--pid` to be another process'],
    ['tunnel --pid 1 --remote :65536', '`--remote` to be an integer from 1 to 65535'],
    ['tunnel --pid 1 --remote fe80::1%eth0', '`--remote` to be a port'],
    ['tunnel --pid 1 --listen :0', '`--listen` to be an integer from 1 to 65535'],
    ['tunnel --pid 1 --remote :1 --json --watch', 'Expected --json or --watch, got both'],
    ['tunnel interval=0.1s --pid 1 --remote :1', '`interval` to be from 1s'],
  ])('refuses %s', async (words, expected) => {
    await expectRefused(`apply ${words}`, expected);
  });
});

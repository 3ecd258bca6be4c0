import { getTcpInfo } from 'tcp-keepalive';
import { applyToProcess } from 'tcp-keepalive/machine';
import { describe, expect, test, vi } from 'vitest';
import { bundledCli, expectRefused, type } from '../helpers/command-line.ts';
import { type Clients, clientsOf, type OtherProcess, startProcess } from '../helpers/other-process.ts';
import { PATIENCE } from '../helpers/patience.ts';

const cli = bundledCli({ koffi: true });

// They wait for the kernel, all of them at once.
vi.setConfig({ maxConcurrency: 8 });

const quick = { initialDelay: 1_000, interval: 1_000, count: 2, userTimeout: 2_500 };

async function quickClients(count: number): Promise<Clients> {
  const clients = await clientsOf(count);
  await applyToProcess(clients.pid, { remote: clients.port }, quick);
  return clients;
}

const line = ({ pid, port }: Clients, more = '') => `drill --pid ${pid} --remote :${port} ${more}`.trim();

/** Starts the command in a process of its own. */
function started(clients: Clients, more: string): OtherProcess {
  return startProcess([process.execPath, cli.file, ...line(clients, more).split(' ')]);
}

async function exitCodeOf({ child }: OtherProcess): Promise<number | null> {
  await vi.waitFor(() => expect(child.exitCode ?? child.signalCode).not.toBeNull(), PATIENCE);
  return child.exitCode;
}

/** Waits until what the peer writes is not acknowledged any more: the drill has begun. */
async function untilDeaf({ accepted: [peer] }: Clients): Promise<void> {
  await vi.waitFor(() => {
    peer?.write('x');
    expect(peer && getTcpInfo(peer).retransmits).toBeGreaterThan(0);
  }, PATIENCE);
}

/** Expects that what the peer writes arrives. */
async function expectHears(clients: Clients): Promise<void> {
  clients.tell("open(0).on('data', (text) => console.log(String(text)))");
  clients.accepted[0]?.write('you hear this');
  await clients.says('you hear this');
}

describe.runIf(process.platform === 'linux').concurrent('tcp-keepalive drill', () => {
  test('says what will happen, shows what does, and ends with 0 if it is noticed in time', async () => {
    const clients = await quickClients(2);
    clients.tell('reconnects = true');
    const questions: string[] = [];
    const told = await type(line(clients), {
      async ask(question) {
        questions.push(question);
        return true;
      },
    });
    expect(questions).toEqual(['Let it vanish? [y/N] ']);
    expect(told).toMatchObject({ code: 0, err: '' });
    const { out } = told;
    expect(out).toContain(`The peer of 2 connections of node ${clients.pid} will seem to have vanished`);
    expect(out).toContain('What the process sends still arrives');
    expect(out).toContain('keeps locks and backends');
    expect(out).toMatch(/^:\d+ +127\.0\.0\.1:\d+ +1s\/1s\/2 2\.5s +[\d.]+s to [\d.]+s$/m);
    expect(out).toMatch(/^ +[\d.]+s {2}:\d+ +127\.0\.0\.1:\d+ +unanswered probes: 2$/m);
    expect(out).toMatch(/^ +[\d.]+s {2}:\d+ +127\.0\.0\.1:\d+ +closed by the process$/m);
    expect(out).toMatch(
      /^:\d+ +127\.0\.0\.1:\d+ +noticed after [23](\.\d)?s \(predicted [\d.]+s to [\d.]+s\)$/m,
    );
    expect(out).toMatch(/^A new connection to :\d+ worked after [\d.]+s\.$/m);
    for (const text of out.split('\n')) expect(text.length, text).toBeLessThanOrEqual(80);
  });

  test('as JSON alone, with what is never as null', async () => {
    const clients = await clientsOf(1);
    const { code, out, err } = await type(line(clients, '--yes --json --for 1s'));
    expect({ code, err }).toEqual({ code: 1, err: '' });
    expect(JSON.parse(out)).toEqual({
      connections: [
        {
          remote: { address: '127.0.0.1', port: clients.port },
          verdict: 'notNoticed',
          predicted: { earliest: null, nominal: null, latest: null },
        },
      ],
      recoveredAfter: null,
    });
    const noticed = await quickClients(1);
    const report = JSON.parse((await type(line(noticed, '--yes --json'))).out);
    expect(report.connections).toMatchObject([{ verdict: 'noticed', noticedAfter: expect.any(Number) }]);
  });

  test('ends with 1 if it is not noticed within the time that was asked for', async () => {
    const clients = await quickClients(1);
    const { code, out } = await type(line(clients, '--yes --within 1s'));
    expect(code).toBe(1);
    expect(out.replace(/\s+/g, ' ')).toContain(', too late');
  });

  test('tells what a process that does not read has not noticed, and what would be', async () => {
    const clients = await quickClients(2);
    clients.tell('open(0).pause()._handle.readStop(); console.log("paused")');
    await clients.says('paused');
    const other = await clientsOf(1);
    const { code, out } = await type(line(clients, '--yes --for 6s'));
    expect(code).toBe(1);
    const flat = out.replace(/\s+/g, ' ');
    expect(flat).toMatch(
      /the kernel gave up after [23](\.\d)?s .* but the process has not closed it: it is not reading/,
    );
    const never = await type(line(other, '--yes --for 1s'));
    expect(never.out).toContain('not noticed in 1s; it never would be');
    expect(never.out).toContain('Undone: the connection that is left hears again.');
  });

  test('many connections are told in one line', async () => {
    const clients = await quickClients(20);
    const { out } = await type(line(clients, '--yes'));
    expect(out).toMatch(/^ +[\d.]+s {2}\d+ connections +unanswered probes: 1$/m);
  });

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'is undone on %s, even if it comes twice',
    async (signal) => {
      const clients = await quickClients(1);
      const drill = started(clients, '--yes');
      await drill.says('unanswered probes: 1');
      drill.child.kill(signal);
      drill.child.kill(signal);
      expect(await exitCodeOf(drill)).toBe(1);
      expect(drill.out()).toContain('Undone: the connection that is left hears again.');
      await expectHears(clients);
    },
  );

  test('what one that was killed has left is undone by the next', async () => {
    const clients = await clientsOf(1);
    const drill = started(clients, '--yes');
    await untilDeaf(clients);
    drill.child.kill('SIGKILL');
    await exitCodeOf(drill);
    await type(line(clients, '--yes --for 1s'));
    await expectHears(clients);
  });

  test('tells that the process has ended', async () => {
    const clients = await clientsOf(1);
    const drill = started(clients, '--yes');
    await untilDeaf(clients);
    clients.child.kill('SIGKILL');
    expect(await exitCodeOf(drill)).toBe(1);
    expect(drill.out()).toContain('the process ended (predicted never)');
  });

  test('changes nothing if it is told no, or has nobody to ask', async () => {
    const clients = await clientsOf(1);
    const no = await type(line(clients), { ask: async () => false });
    expect(no).toMatchObject({ code: 1, err: 'Nothing was changed.\n' });
    await expectRefused(line(clients), 'Expected --yes, because there is no terminal on which to ask');
    await expectHears(clients);
  });

  test('a process without such a connection is one line', async () => {
    const { pid } = await clientsOf(1);
    const { code, out, err } = await type(`drill --pid ${pid} --remote :1 --yes`);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toMatch(/^tcp-keepalive: Expected a connection that node \d+ has to :1[^\n]*\n$/);
  });

  test.each([
    ['--pid 1', 'Expected --pid and --remote'],
    ['--remote :1', 'Expected --pid and --remote'],
    ['5432 --pid 1 --remote :1', 'Expected options such as --pid 4711, got `5432`'],
    ['--pid node --remote :1', '`--pid` to be a whole number'],
    [`--pid ${process.pid} --remote :1 --yes`, '`--pid` to be another process'],
    ['--pid 1 --remote :65536', '`--remote` to be an integer from 1 to 65535'],
    ['--pid 1 --remote fe80::1%eth0', '`--remote` to be a port'],
    ['--pid 1 --remote :1 --for 10', '`--for` to be from 1s to 24h, got 10ms'],
    ['--pid 1 --remote :1 --for soon', '`--for` to be a time'],
    ['--pid 1 --remote :1 --for 5s --within 6s', 'Expected --within to be at most --for (5s), got 6s'],
  ])('refuses %s', async (words, expected) => {
    await expectRefused(`drill ${words}`, expected);
  });
});

import { once } from 'node:events';
import net from 'node:net';
import { setKeepAlive } from 'tcp-keepalive';
import { vanish } from 'tcp-keepalive/testing';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Io } from '../../src/cli/command.ts';
import type { Look } from '../../src/cli/commands/sockets/drawing.ts';
import type { Shown } from '../../src/cli/commands/sockets/query.ts';
import { frameOf, pressed, type View } from '../../src/cli/commands/sockets/view.ts';
import { neverClosed, type } from '../helpers/command-line.ts';
import { listen } from '../helpers/listen.ts';
import { PATIENCE } from '../helpers/patience.ts';
import { hasPseudoTerminals, inPseudoTerminal, type PseudoTerminal } from '../helpers/pseudo-terminal.ts';

const ENTER = '\u001b[?1049h\u001b[?25l';
const LEAVE = '\u001b[?25h\u001b[?1049l';

async function connected(): Promise<{ client: net.Socket; server: net.Server; port: number }> {
  const server = net.createServer((socket) => socket.resume().on('error', () => {}));
  const port = await listen(server);
  const client = net.connect(port, '127.0.0.1').on('error', () => {});
  onTestFinished(() => void client.destroy());
  await once(client, 'connect');
  return { client, server, port };
}

/** Runs `sockets --watch` in a shell in a terminal, which then tells how it ended and how the terminal is. */
function watched(port: number): PseudoTerminal {
  const crash = 'process.on("SIGUSR2", () => { throw new Error("crash") })';
  const line = `${process.execPath} --import tsx --import 'data:text/javascript,${crash}' src/cli/main.ts sockets --watch --remote :${port}`;
  const { PATH } = process.env;
  return inPseudoTerminal(['sh', '-c', `trap : INT TERM; ${line}; echo "code $?"; stty -a`], {
    PATH,
    TERM: 'xterm',
  });
}

describe.skipIf(!hasPseudoTerminals || process.platform !== 'linux')('sockets --watch on a terminal', () => {
  test('is a live screen of any size, sorts, and leaves the terminal as it was', async () => {
    const { client, port } = await connected();
    const terminal = watched(port);
    await terminal.shows('sort by peer');
    await terminal.shows(`127.0.0.1:${port}`);
    terminal.type('>');
    await terminal.shows('sort by state');
    terminal.type('\u001b[D');
    terminal.type('<');
    await terminal.shows('sort by sent');
    terminal.resize(120, 30);
    await terminal.shows(`127.0.0.1:${port}${' '.repeat(47 - `127.0.0.1:${port}`.length)} estab`);
    setKeepAlive(client, { initialDelay: 1_000, interval: 20_000, count: 2 });
    vanish(client);
    await terminal.shows('dying: lost in about');
    terminal.type('q');
    expectRestored(await terminal.ended, 0);
  });

  test.each([
    ['Ctrl-C', (terminal: PseudoTerminal) => terminal.type('\u0003'), 0],
    ['SIGTERM', (terminal: PseudoTerminal) => process.kill(terminal.pid(), 'SIGTERM'), 143],
    ['SIGHUP', (terminal: PseudoTerminal) => process.kill(terminal.pid(), 'SIGHUP'), 129],
    ['a crash', (terminal: PseudoTerminal) => process.kill(terminal.pid(), 'SIGUSR2'), 1],
  ])('%s gives the terminal back', async (_name, end, code) => {
    const { port } = await connected();
    const terminal = watched(port);
    await terminal.shows('sort by peer');
    end(terminal);
    const ended = await terminal.ended;
    expectRestored(ended, code);
    if (code === 1) expect(ended.out.indexOf('Error: crash')).toBeGreaterThan(ended.out.indexOf(LEAVE));
  });

  test('Ctrl-Z gives the terminal back until the program goes on', async () => {
    const { port } = await connected();
    const terminal = watched(port);
    await terminal.shows('sort by peer');
    terminal.type('\u001a');
    await terminal.shows(LEAVE);
    process.kill(terminal.pid(), 'SIGCONT');
    await terminal.shows(`${LEAVE}${ENTER}`);
    terminal.type('q');
    await terminal.shows('code 0');
  });
});

function expectRestored({ out }: { out: string }, code: number): void {
  expect(out).toContain(`code ${code}`);
  expect(out.indexOf(ENTER)).toBeGreaterThanOrEqual(0);
  expect(out.lastIndexOf(LEAVE)).toBeGreaterThan(out.lastIndexOf(ENTER));
  const after = out.slice(out.lastIndexOf(LEAVE));
  expect(after).toMatch(/[^-]icanon/);
  expect(after).toMatch(/[^-]echo /);
}

describe.runIf(process.platform === 'linux')('sockets --watch without a terminal', () => {
  test('is a log of what changes', async () => {
    const { client, server, port } = await connected();
    const ended = new AbortController();
    let out = '';
    const onOut = (text: string) => {
      out += text;
    };
    const shows = (pattern: RegExp) => vi.waitUntil(() => pattern.test(out), { timeout: PATIENCE });
    const running = type(`sockets --watch --pid ${process.pid} --remote :${port}`, {
      closed: ended.signal,
      onOut,
    });
    await shows(
      /^\d{4}-\d\d-\d\dT[\d:.]+Z summary {2}1 connection: 1 without keepalive, .*; this machine, a second: /m,
    );
    setKeepAlive(client, { initialDelay: 1_000, interval: 2_000, count: 10 });
    await shows(/^\S+Z options {2}node \d+ 127\.0\.0\.1:\d+ > 127\.0\.0\.1:\d+ off -> 1s\/2s\/10$/m);
    const other = net.connect(port, '127.0.0.1').on('error', () => {});
    await shows(/^\S+Z opened {3}node \d+ \S+ > \S+ off$/m);
    other.destroy();
    await shows(/^\S+Z gone {5}node \d+ \S+ > \S+$/m);
    const restore = vanish(client);
    await shows(/^\S+Z dying {4}node \d+ \S+ > \S+ unanswered 1, lost in about (1[6-9]|2[01])(\.\d)?s$/m);
    restore();
    await shows(/^\S+Z answers {2}node \d+ \S+ > \S+$/m);
    ended.abort();
    expect((await running).code).toBe(0);
    server.close();
  });

  test('with --json it is a line of JSON for each look', async () => {
    const { port } = await connected();
    const ended = new AbortController();
    let lines = 0;
    const { out } = await type(`sockets --watch --json --remote :${port}`, {
      closed: ended.signal,
      onOut: () => ++lines === 2 && ended.abort(),
    });
    const looks = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(looks.map(({ summary }) => summary.connections)).toEqual([1, 1]);
  });
});

const io: Io = { out() {}, err() {}, columns: 80, color: false, isScreen: true, closed: neverClosed() };

const look: Look = {
  rates: { probes: 1, timeouts: 2, aborts: 3 },
  connections: Array.from({ length: 100 }, (_, i) => ({
    local: { address: '10.0.0.1', port: 1_000 + i },
    remote: { address: i === 0 ? '2001:db8:1234:5678:9abc:def0:1234:5678' : `10.0.0.${i}`, port: 5_432 },
    state: 'ESTABLISHED',
    cookie: i,
    owner: { pid: 4_711, name: `a-program-with-a-name-that-is-${'very-'.repeat(20)}long`, fd: i },
    timer: { kind: 'keepalive', expires: 1_000 * i, unanswered: i === 50 ? 2 : 0 },
    info: { rtt: i },
    options: { enable: true, initialDelay: 10_000, interval: 5_000, count: 3, userTimeout: 24_500 },
    fate: { idle: 25_000, sent: 24_908, ...(i === 50 && { lostIn: 3_100 }) },
  })) as unknown as Shown[],
};

const start: View = { sort: 'peer', top: 0 };

test.each([
  {
    columns: 80,
    rows: 24,
    peer: '2001:d',
    head: 'peer▾                 state    rtt options          next         ?   idle   sent',
  },
  { columns: 140, rows: 10, peer: '[2001:db8:1234:5678:9abc:def0:1234:5678]:5432', head: ' sent' },
  { columns: 50, rows: 24, peer: '[2001:', head: 'options' },
  { columns: 30, rows: 24, peer: '[', head: 'idle' },
])('a screen of $columns columns and $rows rows is filled and no more', ({ columns, rows, peer, head }) => {
  const { lines } = frameOf({ ...io, columns }, rows, look, { sort: 'peer', top: Infinity });
  expect(lines).toHaveLength(rows);
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(columns);
  expect(lines.join('\n')).toContain(head);
  expect(lines.join('\n')).toContain(peer);
});

test('what is dying is found by its order, a name is cut in the middle, and only a page is scrolled', () => {
  const first = frameOf(io, 24, look, { sort: 'unanswered', top: 0 });
  expect(first.lines.slice(5, 8)).toEqual([
    expect.stringMatching(/^a-program-.*….*long 4711$/),
    '10.0.0.50:5432        estab   50ms 10s/5s/3 24.5s   probe 50s    2    25s  24.9s',
    '  dying: lost in about 3.1s',
  ]);
  const down = pressed(start, 'pagedown', first.page) as View;
  expect(down.top).toBe(first.page);
  expect(pressed(down, 'up', 1)?.top).toBe(first.page - 1);
  const end = frameOf(io, 24, look, pressed(down, 'end', 1) as View);
  expect(end.lines.at(-1)).toMatch(/102 of 102$/);
  expect(pressed(end.view, 'home', 1)?.top).toBe(0);
  expect(pressed(start, 'up', 1)?.top).toBe(0);
  for (const key of ['q', 'ctrl-c']) expect(pressed(start, key, 1)).toBeUndefined();
});

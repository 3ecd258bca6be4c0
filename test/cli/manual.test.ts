import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { setKeepAlive } from 'tcp-keepalive';
import { vanish } from 'tcp-keepalive/testing';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { type } from '../helpers/command-line.ts';
import { listen } from '../helpers/listen.ts';
import { PATIENCE } from '../helpers/patience.ts';

const manual = readFileSync(new URL('../../docs/cli.md', import.meta.url), 'utf8');
// test/docs/commands.test.ts compares what explain, plan, presets and check print.
const shown = [...manual.matchAll(/^```console\n\$ npx tcp-keepalive (.*)\n([\s\S]*?)^```$/gm)].map(
  ([, line = '', output = '']) => ({ line, output }),
);

test('the manual shows what each command prints', () => {
  const commands = new Set(shown.map(({ line }) => line.split(' ')[0]));
  expect([...commands].sort()).toEqual([
    ...['apply', 'check', 'doctor', 'drill', 'env', 'explain', 'plan', 'presets', 'sockets'],
  ]);
});

describe.runIf(process.platform === 'linux')('sockets', () => {
  test('the manual shows a table like the one of such connections', async () => {
    const { line, output } = shown.find((each) => each.line.startsWith('sockets ')) ?? {
      line: '',
      output: '',
    };
    const port = await connections();
    const typed = line.replace(/--pid \d+/, `--pid ${process.pid}`).replace(/:\d+/, `:${port}`);
    await vi.waitFor(async () => expect(steady((await type(typed)).out)).toBe(steady(output)), {
      timeout: PATIENCE,
      interval: 200,
    });
  });
});

/** One connection without keepalive, one at the system's times, one whose peer has vanished, and one that is well. */
async function connections(): Promise<number> {
  const server = net.createServer((socket) => socket.resume().on('error', () => {}));
  const port = await listen(server);
  const clients = Array.from({ length: 4 }, () => net.connect(port, '127.0.0.1').on('error', () => {}));
  onTestFinished(() => clients.forEach((client) => void client.destroy()));
  await Promise.all(clients.map((client) => once(client, 'connect')));
  const [, plain, dying, well] = clients as [net.Socket, net.Socket, net.Socket, net.Socket];
  plain.setKeepAlive(true);
  setKeepAlive(dying, { initialDelay: 1_000, interval: 20_000, count: 2, userTimeout: 40_500 });
  vanish(dying);
  setKeepAlive(well, 'database');
  return port;
}

/** A table without what differs from one machine and one moment to the next: ids, ports, times, rates, widths. */
function steady(table: string): string {
  return table
    .replace(/\b(?:[\d.]+(?:us|ms|[dhms]))+/g, 'T')
    .replace(/[\d. ]+ (probes sent|retransmission timeouts|connections\s+given up)/g, ' N $1')
    .replace(/:\d+|node \d+/g, 'P')
    .replace(/\s+/g, ' ');
}

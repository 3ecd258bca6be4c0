import { type EventEmitter, once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { installKeepAlive } from 'tcp-keepalive';
import { expectDetection, vanishingProxy } from 'tcp-keepalive/testing';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { describeWhereInstalled, describeWithServer } from '../helpers/describe-with-server.ts';
import { idleAMoment, quick } from '../helpers/driver-under-test.ts';
import { PATIENCE } from '../helpers/patience.ts';
import { vanishedDrivers } from '../helpers/vanished-clients.ts';

// The table of docs/guides/what-your-code-sees.md, cell by cell, with the real drivers.

const guide = readFileSync(new URL('../../docs/guides/what-your-code-sees.md', import.meta.url), 'utf8');
const cells = new Map(
  [...guide.matchAll(/^\| (.+) \| (.+) \| (.+) \| (.+) \|$/gm)].map(([, driver, idle, inFlight, next]) => [
    driver,
    { idle, inFlight, next },
  ]),
);

const connect = vi.spyOn(net.Socket.prototype, 'connect');
afterAll(() => void connect.mockRestore());

test('the table has a row for each driver, and no other', () => {
  expect([...cells.keys()].slice(1)).toEqual(vanishedDrivers.map(({ driver }) => driver));
});

describe.runIf(process.platform === 'linux')('what your code sees', { concurrent: true }, () => {
  for (const { driver, server, needs, byRule, open } of vanishedDrivers) {
    describeWhereInstalled(driver, needs ?? server, () => {
      describeWithServer('when its server has vanished', server, (running) => {
        test.concurrent.for(['idle', 'unacknowledged'] as const)('%s', async (state, { onTestFinished }) => {
          const proxy = await vanishingProxy({ to: running().port });
          onTestFinished(() => proxy.close());
          if (byRule) onTestFinished(installKeepAlive([{ side: 'client', port: proxy.port, use: quick }]));
          const client = await open({ ...running(), port: proxy.port }, quick);
          onTestFinished(async () => void (await client.end()));
          for (let use = 0; use < 2; use++) {
            await client.use();
            await idleAMoment();
          }
          const told = errorsOf(client.emitters ?? {});
          const socket = socketsTo(proxy.port).at(-1) as net.Socket;

          await proxy.vanish();
          const used = state === 'idle' ? undefined : outcomeOf(client.use());
          await expectDetection(once(socket, 'close'), quick, { state, socket });
          // Between its 'error' and its 'close', postgres.js takes a query that it never sends.
          await idleAMoment();
          await proxy.restore();
          const { idle, inFlight, next } = cells.get(driver) ?? {};
          if (used === undefined) {
            await vi.waitFor(() => expect(told.join('; ') || 'nothing').toBe(idle), { timeout: PATIENCE });
          } else {
            expect(await used).toBe(inFlight);
          }
          expect(await outcomeOf(client.use())).toBe(next);
        });
      });
    });
  }
});

/** Open connections, in the order in which they began: a driver's pool comes after its monitors. */
function socketsTo(port: number): net.Socket[] {
  return (connect.mock.contexts as net.Socket[]).filter(
    (socket) => socket.remotePort === port && !socket.destroyed,
  );
}

/** The errors that are emitted from now on, as the guide writes them. */
function errorsOf(emitters: Readonly<Record<string, object>>): string[] {
  const told: string[] = [];
  for (const [name, emitter] of Object.entries(emitters)) {
    (emitter as EventEmitter).on('error', (error) => told.push(`${name}: ${written(error)}`));
  }
  return told;
}

async function outcomeOf(using: Promise<unknown>): Promise<string> {
  return using.then(
    (value) => (String(value).startsWith('closed') ? `nothing: ${value}` : 'answered'),
    (error) => written(error),
  );
}

/** An error of Node's own by its call, any other with its code and message, and what has caused it. */
function written({ code, message, cause }: NodeJS.ErrnoException): string {
  if (code === 'ETIMEDOUT' && message === 'read ETIMEDOUT') return '`read ETIMEDOUT`';
  const error = `${code === undefined ? 'no code' : `\`${code}\``}, \`${message.replace(/\(conn:\d+/, '(conn:1')}\``;
  return cause === undefined ? error : `${error}, cause ${written(cause as Error)}`;
}

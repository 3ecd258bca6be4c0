import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import tls from 'node:tls';
import { installKeepAlive, type KeepAliveRule, keepAliveServer } from 'tcp-keepalive';
import { vanish } from 'tcp-keepalive/testing';
import { describe, expect, test } from 'vitest';
import { compileRules } from '../../src/rules/rule.ts';
import { parseRuleText } from '../../src/rules/text.ts';
import { reaper } from '../../src/sockets/watched.ts';
import { certificate, certificateKey } from '../helpers/test-certificate.ts';
import { connect, listen, opened, underRules, uninstalls } from '../helpers/under-rules.ts';

underRules();

// Without a user timeout the kernel would take 15 minutes.
const use = { initialDelay: 1_000, interval: 1_000, count: 1 } as const;

function install(rule: KeepAliveRule, reap?: boolean | { silentAfter?: number }): () => void {
  const uninstall = installKeepAlive([rule], { reap });
  uninstalls.push(uninstall);
  return uninstall;
}

/** The accepted end of a connection whose peer has vanished, with data in flight. */
async function lostOn(server: net.Server): Promise<net.Socket> {
  const isTls = server instanceof tls.Server;
  const accepted = once(server, isTls ? 'secureConnection' : 'connection') as Promise<[net.Socket]>;
  const port = await listen(server);
  if (isTls) {
    const client = tls.connect({ port, host: '127.0.0.1', ca: certificate, servername: 'localhost' });
    opened.push(client.on('error', () => {}));
  } else {
    await connect({ port, host: '127.0.0.1' });
  }
  const [socket] = await accepted;
  socket.on('error', () => {});
  await sleep(200);
  vanish(socket);
  socket.write('answer');
  return socket;
}

const closed = (socket: net.Socket) => new Promise<void>((resolve) => socket.once('close', () => resolve()));

const tlsServer = () => tls.createServer({ cert: certificate, key: certificateKey });

describe.runIf(process.platform === 'linux')('with reap, a lost connection ends', () => {
  test.each([
    { accepted: 'by a rule', rule: { side: 'server', use }, server: () => net.createServer() },
    { accepted: 'by a rule for peers', rule: { host: '127.0.0.1', use }, server: () => net.createServer() },
    { accepted: 'by a rule, with TLS', rule: { side: 'server', use }, server: tlsServer },
    {
      accepted: 'by keepAliveServer',
      rule: { port: 1, use },
      server: () => keepAliveServer(net.createServer(), use),
    },
  ] as const)('that was accepted $accepted', async ({ rule, server }) => {
    install(rule, true);
    const socket = await lostOn(server());
    const begin = performance.now();
    await closed(socket);
    expect(socket.errored).toMatchObject({ code: 'ETIMEDOUT', syscall: 'read' });
    expect(performance.now() - begin).toBeLessThan(6_000);
  });

  test('that was opened', async () => {
    const port = await listen();
    install({ side: 'client', port, use: { enable: true } }, { silentAfter: 1_000 });
    const socket = await connect({ port, host: '127.0.0.1' });
    vanish(socket);
    socket.write('query');
    await closed(socket);
    expect(socket.errored).toMatchObject({ code: 'ETIMEDOUT' });
  });
});

describe.runIf(process.platform === 'linux')('a lost connection is left to the kernel', () => {
  test.each([
    { when: 'without reap', reap: undefined, ends: false },
    { when: 'with reap: false', reap: false, ends: false },
    { when: 'once the rules are gone', reap: true, ends: true },
  ])('$when', async ({ reap, ends }) => {
    const uninstall = install({ side: 'server', use }, reap);
    const lost = lostOn(net.createServer());
    const socket = await lost;
    if (ends) uninstall();
    expect(reaper().timer).toBeUndefined();
    await sleep(3_500);
    expect(socket.destroyed).toBe(false);
  });
});

test.each([
  { text: 'reap', reap: { silentAfter: undefined } },
  { text: '5432=database; reap', reap: { silentAfter: undefined } },
  { text: 'reap=24.5s;5432=database', reap: { silentAfter: 24_500 } },
  { text: 'strict; reap = 1m; *=off', reap: { silentAfter: 60_000 } },
  { text: '5432=database', reap: undefined },
  { text: 'reap.=database', reap: undefined },
])('$text asks for $reap', ({ text, reap }) => {
  const { rules, ...asked } = parseRuleText(text, 'TCP_KEEPALIVE');
  expect(asked.reap).toEqual(reap);
  expect(asked.strict).toBe(text.startsWith('strict'));
  expect(() => compileRules(rules)).not.toThrow();
});

test.each([
  {
    text: 'reap=',
    message: 'Expected `reap` or reap=<time>, such as reap=25s, got `reap=` (TCP_KEEPALIVE, character 1)',
  },
  {
    text: '*=off; reap=soon',
    message: 'such as 30s, 1m30s, 500ms or 1500 (milliseconds), got `soon` (TCP_KEEPALIVE, character 8)',
  },
  {
    text: 'reap=500ms',
    message: 'Expected `reap` to be from 1000 to 2147483647 milliseconds, got `500` (number)',
  },
])('$text is refused', ({ text, message }) => {
  expect(() => parseRuleText(text, 'TCP_KEEPALIVE')).toThrow(message);
});

test.each([
  {
    reap: 'yes',
    message: 'Expected `reap` to be true, or an object such as { silentAfter: 25000 }, got `yes` (string)',
  },
  { reap: { silentAfter: 1 }, message: 'Expected `silentAfter` to be from 1000' },
  { reap: { every: 1_000 }, message: 'Expected `silentAfter`, got `every`' },
])('$reap is refused, before anything is changed', ({ reap, message }) => {
  expect(() => installKeepAlive([{ use }], { reap: reap as never })).toThrow(message);
  expect(reaper().timer).toBeUndefined();
});

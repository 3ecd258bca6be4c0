import { once } from 'node:events';
import net from 'node:net';
import { vanish } from 'tcp-keepalive/testing';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { getOption } from '../../native-bindings/sockopt.ts';
import { getTcpInfo } from '../../src/sockets/get.ts';
import { connectedPair } from '../helpers/connected-pair.ts';
import { unixConnection } from '../helpers/connection.ts';
import { accept, listen, portOf } from '../helpers/listen.ts';
import { PATIENCE } from '../helpers/patience.ts';
import { fdOf } from '../helpers/raw-options.ts';
import { tlsPair } from '../helpers/tls-pair.ts';

const ttl = { level: 0, name: 21, unit: 'none', constant: 'IP_MINTTL' } as const;
const hops = { level: 41, name: 73, unit: 'none', constant: 'IPV6_MINHOPCOUNT' } as const;

/** A client on an IPv6 socket of a server that is reached by IPv4. */
async function mappedPair() {
  const server = net.createServer();
  await listen(server, 0, '::');
  const accepted = once(server, 'connection') as Promise<[net.Socket]>;
  const client = net.connect(portOf(server), '::ffff:127.0.0.1').on('error', () => {});
  await once(client, 'connect');
  return {
    client,
    server: (await accepted)[0],
    close: async () => void client.destroy(),
  };
}

const families = [
  { family: 'IPv4', open: () => connectedPair() },
  { family: 'IPv6', open: () => connectedPair('::1') },
  { family: 'an IPv4-mapped address', open: mappedPair },
  { family: 'TLS', open: () => tlsPair() },
];

/** Whether data that is written now arrives within a time. */
async function arrives(from: net.Socket, to: net.Socket, within: number): Promise<boolean> {
  const heard = vi.fn();
  to.on('data', heard);
  from.write('?');
  const by = performance.now() + within;
  while (heard.mock.calls.length === 0 && performance.now() < by) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  to.removeListener('data', heard);
  return heard.mock.calls.length > 0;
}

describe.runIf(process.platform === 'linux')('vanish', () => {
  test.each(families)('this end hears nothing more until it is restored: $family', async ({ open }) => {
    const { client, server, close } = await open();
    onTestFinished(close);
    expect(await arrives(server, client, PATIENCE)).toBe(true);
    const restore = vanish(client);
    expect(await arrives(server, client, 500)).toBe(false);
    // The kernel of the other end has no answer and repeats itself. What this end sends is heard.
    expect(getTcpInfo(server).retransmits).toBeGreaterThan(0);
    expect(await arrives(client, server, PATIENCE)).toBe(true);
    const late = once(client, 'data');
    restore();
    // The kernel sends it once more by itself.
    expect(String((await late)[0])).toMatch(/^\?+$/);
    expect(await arrives(server, client, PATIENCE)).toBe(true);
  });

  test('both options are written on a socket of IPv6, because one of them works', async () => {
    const { client, close } = await mappedPair();
    onTestFinished(close);
    const restore = vanish(client);
    expect([getOption(fdOf(client), ttl), getOption(fdOf(client), hops)]).toEqual([255, 255]);
    restore();
    expect([getOption(fdOf(client), ttl), getOption(fdOf(client), hops)]).toEqual([0, 0]);
  });

  test('a server answers no new connection, and then those that still try', async () => {
    const server = net.createServer();
    const port = await listen(server);
    const restore = vanish(server);
    const client = net.connect(port, '127.0.0.1');
    onTestFinished(() => void client.destroy());
    const connected = vi.fn();
    client.on('connect', connected);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(connected).not.toHaveBeenCalled();
    restore();
    await vi.waitFor(() => expect(connected).toHaveBeenCalled(), PATIENCE);
  });

  test('what is closed when it is restored is left alone, and its number too', async () => {
    const server = net.createServer();
    await listen(server);
    const gone = await accept(server);
    const fd = fdOf(gone);
    const restore = vanish(gone);
    gone.destroy();
    const other = await accept(server);
    await vi.waitFor(() => expect(gone.closed).toBe(true), PATIENCE);
    const again = await accept(server);
    const reused = [other, again].find((socket) => fdOf(socket) === fd);
    const restoreReused = reused && vanish(reused);
    restore();
    if (reused) expect(getOption(fdOf(reused), ttl)).toBe(255);
    restoreReused?.();
  });

  test('nothing has vanished if one of several cannot', async () => {
    const { client, close } = await connectedPair();
    onTestFinished(close);
    const unix = await unixConnection();
    expect(() => vanish(client, unix)).toThrow(
      expect.objectContaining({ code: 'ERR_KEEPALIVE_NOT_TCP' }) as Error,
    );
    expect(() => vanish(client, net.createServer())).toThrow(/Expected a server that listens/);
    expect(() =>
      vanish(
        client,
        net.connect(1, '127.0.0.1').on('error', () => {}),
      ),
    ).toThrow(/one that is still connecting; call vanish after its 'connect'/);
    expect(() => vanish(client, new net.Socket().destroy())).toThrow(/one that is destroyed/);
    expect(() => vanish(client, undefined as never)).toThrow(/Expected a net.Socket or tls.TLSSocket/);
    expect(getOption(fdOf(client), ttl)).toBe(0);
  });
});

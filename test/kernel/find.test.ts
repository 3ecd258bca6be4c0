import { once } from 'node:events';
import net from 'node:net';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import {
  descriptorOfHandle,
  type Ends,
  findDescriptor,
  findHandle,
  hasEnds,
  obstacleToDescriptors,
  obstacleToHandles,
} from '../../src/kernel/find.ts';
import { connectedPair } from '../helpers/connected-pair.ts';
import { pair } from '../helpers/connection.ts';
import { listen, untilFinished } from '../helpers/listen.ts';
import { fdOf } from '../helpers/raw-options.ts';
import { runFixture } from '../helpers/run-fixture.ts';
import { socketKinds } from '../helpers/socket-kinds.ts';

const endsOf = (socket: net.Socket) => socket as unknown as Ends;

/** The descriptor that libuv has for a connection. */
function walkTo(socket: net.Socket): number | undefined {
  const handle = findHandle(endsOf(socket));
  return handle && descriptorOfHandle(handle);
}

// Everywhere but on Windows, Node shows the descriptor too, so that the two can be compared.
describe.runIf(process.platform !== 'win32')('libuv and Node agree about the descriptor of', () => {
  test.each(socketKinds)('$kind', async ({ open }) => {
    const { socket, carrier, close } = await open();
    onTestFinished(close);
    expect(walkTo(socket)).toBe(fdOf(carrier));
    expect(walkTo(carrier)).toBe(fdOf(carrier));
  });

  test('both ends of one connection, each its own', async () => {
    const { client, server } = await pair();
    expect([walkTo(client), walkTo(server)]).toEqual([fdOf(client), fdOf(server)]);
  });

  test('an address of IPv4 on a socket of IPv6', async () => {
    const port = await listen(untilFinished(net.createServer()), 0, '::');
    const socket = net.connect(port, '::ffff:127.0.0.1');
    onTestFinished(() => void socket.destroy());
    await once(socket, 'connect');
    expect(socket.remoteAddress).toBe('::ffff:127.0.0.1');
    expect(walkTo(socket)).toBe(fdOf(socket));
  });

  test('each of 2 000 handles, and of those that come and go meanwhile', async () => {
    const server = untilFinished(net.createServer());
    const accepted: net.Socket[] = [];
    server.on('connection', (socket) => accepted.push(socket.on('error', () => {})));
    const port = await listen(server);
    const connect = async () => {
      const socket = net.connect(port, '127.0.0.1').on('error', () => {});
      await once(socket, 'connect');
      return socket;
    };
    const open: net.Socket[] = [];
    onTestFinished(() => {
      for (const socket of [...open, ...accepted]) socket.destroy();
    });
    while (open.length < 1_000) open.push(...(await Promise.all(Array.from({ length: 50 }, connect))));
    const began = performance.now();
    for (let i = 0; i < open.length; i += 10) {
      // One is closing while another is looked for, and a third takes its place.
      open[i + 1]?.destroy();
      const socket = open[i] as net.Socket;
      expect(walkTo(socket)).toBe(fdOf(socket));
      if (i % 100 === 0) {
        const fresh = await connect();
        open.push(fresh);
        expect(walkTo(fresh)).toBe(fdOf(fresh));
      }
    }
    // 111 walks, of a few milliseconds each at worst.
    expect(performance.now() - began).toBeLessThan(20_000);
  });

  test('an address of IPv6, and no other with the same ports', async () => {
    const { client, server, close } = await connectedPair('::1');
    onTestFinished(close);
    expect([walkTo(client), walkTo(server)]).toEqual([fdOf(client), fdOf(server)]);
    const { localPort, remoteAddress, remotePort } = endsOf(client);
    const ends = { localPort, remoteAddress, remotePort };
    expect(findHandle({ ...ends, localAddress: '::1%lo' })).toBeDefined();
    expect(findHandle({ ...ends, localAddress: '::2' })).toBeUndefined();
  });

  test('no listener, no closed connection, and none with other ends', async () => {
    const { client, server } = await pair();
    const ends: Ends = {
      localAddress: client.localAddress ?? '',
      localPort: client.localPort ?? 0,
      remoteAddress: client.remoteAddress ?? '',
      remotePort: client.remotePort ?? 0,
    };
    expect(findHandle({ ...ends, remotePort: 1 })).toBeUndefined();
    expect(findHandle({ ...ends, localAddress: '127.0.0.2' })).toBeUndefined();
    const handle = findHandle(ends) as number;
    client.destroy();
    // libuv frees it once the loop runs on.
    expect([findHandle(ends), descriptorOfHandle(handle)]).toEqual([undefined, undefined]);
    server.destroy();
  });
});

test.runIf(process.platform === 'linux')(
  'a worker shows its own handles if Node shows its event loop, and never those of the main thread',
  async () => {
    const { own, fd, other } = (await runFixture('handles-in-worker.ts')) as Record<string, unknown>;
    const ffi = process.getBuiltinModule?.('node:ffi') as { getCurrentEventLoop?: unknown } | undefined;
    const refusal = 'Node shows the event loop of a worker thread from 26.11 on';
    expect([own, other]).toEqual(
      ffi?.getCurrentEventLoop === undefined ? [refusal, refusal] : [fd, undefined],
    );
  },
);

describe.runIf(process.platform === 'linux')('among the descriptors of this process', () => {
  test.each(socketKinds)('that of $kind is found by its ends', async ({ open }) => {
    const { socket, carrier, close } = await open();
    onTestFinished(close);
    expect(findDescriptor(endsOf(socket))).toBe(fdOf(carrier));
    expect(hasEnds(fdOf(carrier), endsOf(socket))).toBe(true);
  });

  test('there is none for other ends, and none of a closed one', async () => {
    const { client, server } = await pair();
    expect(hasEnds(fdOf(server), endsOf(client))).toBe(false);
    const { localAddress, localPort, remoteAddress, remotePort } = endsOf(client);
    const ends = { localAddress, localPort, remoteAddress, remotePort };
    client.destroy();
    expect(findDescriptor(ends)).toBeUndefined();
  });
});

describe('what prevents that connections are found', () => {
  test('is nothing here', () => {
    expect(obstacleToHandles()).toBeUndefined();
    expect(obstacleToDescriptors()).toBeUndefined();
  });

  async function without(module: string, exports: object) {
    vi.resetModules();
    vi.doMock(module, async (original) => ({ ...(await original<object>()), ...exports }));
    onTestFinished(() => {
      vi.doUnmock(module);
      vi.resetModules();
    });
    return import('../../src/kernel/find.ts');
  }

  test('is told if koffi cannot be loaded', async () => {
    const loadKoffi = vi.fn(() => {
      throw new Error('no koffi');
    });
    const find = await without('../../native-bindings/load-koffi.ts', { loadKoffi });
    expect(find.obstacleToHandles()).toBe('no koffi');
    expect(find.obstacleToDescriptors()).toBe('no koffi');
    // It is tried once for each.
    expect([find.obstacleToHandles(), loadKoffi.mock.calls.length]).toEqual(['no koffi', 2]);
  });

  test('is told if the process may not list its descriptors', async () => {
    const find = await without('node:fs', {
      readdirSync() {
        throw new Error('Requires read access');
      },
    });
    expect(find.obstacleToHandles()).toBeUndefined();
    expect(find.obstacleToDescriptors()).toBe('Requires read access');
  });
});

import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { setImmediate } from 'node:timers/promises';
import {
  getTcpInfo,
  installKeepAlive,
  type KeepAliveOptions,
  keepAlive,
  keepAliveServer,
  setKeepAlive,
} from 'tcp-keepalive';
import { fdOf, kernelValues } from '../helpers/raw-options.ts';
import { whenAlone } from './alone.ts';

// Sockets are destroyed and opened as fast as they can be, so that each new one gets the number of
// one that was just closed, while options are set from every hook that the library has. Every socket
// gets values of its own, or none, and must have just those. One that was destroyed takes none any more.
//
//     npx tsx test/stress/descriptor-reuse.ts [--full]

/** One way to set options: from the client's side, from the server's, or from neither. */
interface Hook {
  readonly server: net.Server;
  /** Opens a client. `own` is a number that no other client has at the time. */
  connect(port: number, own: number): net.Socket;
  /** What the kernel must say of such a client, and of the socket that the server accepts for it. */
  clientHas(own: number): string;
  readonly acceptedHas: string;
}

interface Totals {
  opened: number;
  /** Of those, the ones with a number that another had before. */
  reused: number;
  /** How many sockets had just their values: the clients, and what was accepted, of each hook. */
  checked: Record<string, number>;
  /** How many refused options after they were destroyed. */
  refused: number;
  destroyedEarly: number;
}

/** How many clients of each hook there are at a time. */
const LANES = 4;

/** Clients have the numbers below this; those that servers and rules give to all are above. */
const NUMBERS = 32_000;

export async function descriptorReuse(milliseconds: number): Promise<Totals> {
  const totals: Totals = { opened: 0, reused: 0, checked: {}, refused: 0, destroyedEarly: 0 };
  const { hooks, ruled } = hooksWith(await valuesOfUntouched());
  const ports = await Promise.all(hooks.map(({ server }) => listen(server)));
  const uninstall = installKeepAlive([
    { side: 'client', port: portOf(ruled), use: valuesFor(NUMBERS) },
    { side: 'server', port: portOf(ruled), use: valuesFor(NUMBERS + 1) },
  ]);
  const ends = performance.now() + milliseconds;
  const wrong: string[] = [];
  const check = (socket: net.Socket, expected: string, which: string) => {
    // A rule leaves alone what its peer has reset before it was accepted.
    if (socket.destroyed || getTcpInfo(socket).state === 'CLOSE') return;
    const actual = kernelValues(socket);
    totals.checked[which] = (totals.checked[which] ?? 0) + 1;
    if (actual !== expected) wrong.push(`${which}: expected ${expected}, got ${actual}`);
  };
  const seen = new Set<number>();
  let last = 0;

  function expectRefused(destroyed: net.Socket): void {
    try {
      setKeepAlive(destroyed, valuesFor(NUMBERS + 5));
      wrong.push('options were set on a socket that was destroyed');
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'ERR_KEEPALIVE_DESTROYED');
      totals.refused += 1;
    }
  }

  async function openAndDestroy(hook: Hook, at: number, before?: net.Socket): Promise<net.Socket> {
    const own = (last++ % (NUMBERS - 1)) + 1;
    const socket = hook.connect(ports[at] ?? 0, own);
    socket.on('error', () => {});
    totals.opened += 1;
    const moment = moments[own % moments.length];
    if (moment === 'once it connects') await once(socket, 'connect');
    if (moment === 'while it connects') await Promise.resolve();
    if (moment === 'at connect') socket.once('connect', () => socket.destroy());
    if (moment === 'at connect') await once(socket, 'close');
    if (moment !== 'once it connects') {
      totals.destroyedEarly += 1;
      return socket.destroy();
    }
    const fd = fdOf(socket);
    if (seen.has(fd)) totals.reused += 1;
    seen.add(fd);
    // By now its number may be this one's.
    if (before !== undefined) expectRefused(before);
    await setImmediate();
    check(socket, hook.clientHas(own), `client of hook ${at}`);
    return own % 2 === 0 ? socket.resetAndDestroy() : socket.destroy();
  }

  async function lane(hook: Hook, at: number): Promise<void> {
    let before: net.Socket | undefined;
    while (performance.now() < ends && wrong.length === 0) before = await openAndDestroy(hook, at, before);
  }

  try {
    for (const [at, { server, acceptedHas }] of hooks.entries()) {
      server.on('connection', (socket) => {
        socket.on('error', () => socket.destroy());
        socket.resume();
        // By now whatever the library put off has been done, on the sockets of this moment.
        globalThis.setImmediate(() => check(socket, acceptedHas, `accepted by hook ${at}`));
      });
    }
    await Promise.all(hooks.flatMap((hook, at) => Array.from({ length: LANES }, () => lane(hook, at))));
  } finally {
    uninstall();
    await Promise.all(hooks.map(({ server }) => close(server)));
  }
  assert.deepEqual(wrong, []);
  assert.ok(totals.reused > totals.opened / 10, `only ${totals.reused} numbers were used again`);
  assert.ok(totals.refused > totals.opened / 10, `only ${totals.refused} destroyed sockets were tried`);
  assert.equal(Object.keys(totals.checked).length, 2 * hooks.length, 'both ends of each hook are checked');
  return totals;
}

/** When a client is destroyed. Most are checked first. */
const moments = [
  'once it connects',
  'while it connects',
  'once it connects',
  'at connect',
  'once it connects',
];

function hooksWith(untouched: string): { hooks: Hook[]; ruled: net.Server } {
  const plain = (port: number) => net.connect(port, '127.0.0.1');
  const untouchedClient = { connect: plain, clientHas: () => untouched };
  const fromClient = (connect: Hook['connect']): Hook => ({
    server: net.createServer(),
    connect,
    clientHas: inKernel,
    acceptedHas: untouched,
  });
  const [inherited, oneByOne, accepted] = [NUMBERS + 2, NUMBERS + 3, NUMBERS + 4];
  const ruled = net.createServer();
  const hooks: Hook[] = [
    { server: net.createServer(), ...untouchedClient, acceptedHas: untouched },
    fromClient((port, own) => keepAlive(plain(port), valuesFor(own))),
    fromClient((port, own) => {
      const socket = plain(port);
      return socket.once('connect', () => setKeepAlive(socket, valuesFor(own)));
    }),
    fromClient((port, own) => {
      const socket = keepAlive(plain(port), valuesFor(own));
      // As drivers do, in the same tick and in the next.
      return socket.once('connect', () => {
        socket.setKeepAlive(true, 33_000);
        process.nextTick(() => socket.setKeepAlive(true, 44_000));
      });
    }),
    {
      server: keepAliveServer(net.createServer(), valuesFor(inherited)),
      ...untouchedClient,
      acceptedHas: inKernel(inherited),
    },
    {
      server: keepAliveServer(net.createServer({ keepAlive: true }), valuesFor(oneByOne)),
      ...untouchedClient,
      acceptedHas: inKernel(oneByOne),
    },
    {
      server: net.createServer((socket) => keepAlive(socket, valuesFor(accepted))),
      ...untouchedClient,
      acceptedHas: inKernel(accepted),
    },
    {
      server: ruled,
      connect: plain,
      clientHas: () => inKernel(NUMBERS),
      acceptedHas: inKernel(NUMBERS + 1),
    },
  ];
  return { hooks, ruled };
}

/** No two numbers have the same. */
function valuesFor(own: number): KeepAliveOptions {
  return {
    initialDelay: own * 1_000,
    interval: ((own % 1_000) + 1) * 1_000,
    count: (own % 127) + 1,
    userTimeout: 60_000 + own,
  };
}

function inKernel(own: number): string {
  return `1:${own}/${(own % 1_000) + 1}/${(own % 127) + 1} ${60_000 + own}`;
}

async function valuesOfUntouched(): Promise<string> {
  const server = net.createServer();
  const socket = net.connect(await listen(server), '127.0.0.1');
  await once(socket, 'connect');
  const values = kernelValues(socket);
  socket.destroy();
  await close(server);
  return values;
}

async function listen(server: net.Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return portOf(server);
}

function portOf(server: net.Server): number {
  return (server.address() as net.AddressInfo).port;
}

async function close(server: net.Server): Promise<void> {
  server.close();
  await once(server, 'close');
}

await whenAlone(import.meta.url, (full) => descriptorReuse(full ? 60_000 : 3_000));

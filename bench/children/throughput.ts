import { once } from 'node:events';
import net from 'node:net';
import type { Throughput } from '../accepting.ts';
import { report } from '../support/child.ts';
import { library } from '../support/library.ts';

const ROUNDS = 12;
const SLICE_MS = 120;
const AT_ONCE = 16;

interface Variant {
  readonly name: string;
  readonly server: net.Server;
  /** Done with each socket that connects. */
  readonly each?: (socket: net.Socket) => unknown;
  /** Done before each slice; what it returns, after it. */
  readonly install?: () => () => void;
}

/** Connects and accepts in this one process, plain and with the library, a slice each in turn. */
const variants: Variant[] = [
  { name: 'connected and accepted, plain', server: plain() },
  { name: 'with keepAliveServer', server: library.keepAliveServer(plain(), 'database') },
  {
    name: 'with keepAlive on each client',
    server: plain(),
    each: (socket) => library.keepAlive(socket, 'database'),
  },
  {
    name: 'with installKeepAlive, for both ends',
    server: plain(),
    install: () => library.installKeepAlive([{ use: 'database' }]),
  },
];
const counts = new Map(variants.map(({ name }) => [name, 0]));
for (const { server } of variants) await once(server.listen(0, '127.0.0.1'), 'listening');
for (let round = 0; round <= ROUNDS; round++) {
  for (const variant of variants) {
    const done = await slice(variant);
    // The first round only warms up.
    if (round > 0) counts.set(variant.name, (counts.get(variant.name) ?? 0) + done);
  }
}
report(
  [...counts].map(([name, count]) => ({
    name,
    perSecond: (count * 1000) / (ROUNDS * SLICE_MS),
  })) satisfies Throughput,
);

/** Greets, so that a client knows when it was accepted: libuv accepts one in each turn of its loop. */
function plain(): net.Server {
  return net.createServer((socket) => socket.on('error', () => {}).write('.'));
}

async function slice({ server, each = () => {}, install = () => () => {} }: Variant): Promise<number> {
  const { port } = server.address() as net.AddressInfo;
  const uninstall = install();
  const end = performance.now() + SLICE_MS;
  const counted = await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      let done = 0;
      for (; performance.now() < end; done++) await connectOnce(port, each);
      return done;
    }),
  );
  uninstall();
  return counted.reduce((sum, done) => sum + done, 0);
}

async function connectOnce(port: number, each: (socket: net.Socket) => unknown): Promise<void> {
  const socket = net.connect(port, '127.0.0.1');
  each(socket);
  await once(socket, 'data');
  // Leaves no port waiting, or a run would use them all up.
  socket.resetAndDestroy();
}

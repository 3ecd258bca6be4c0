import { once } from 'node:events';
import net from 'node:net';
import type { ConnectionCosts } from '../rules.ts';
import { report } from '../support/child.ts';
import { library } from '../support/library.ts';

const CONNECTIONS = 100;
const ROUNDS = 100;
const WARM_UP = 10;

const use = 'database' as const;
/** Half of them by network and half by name, and the last is the one that matches. */
const hundred = Array.from({ length: 99 }, (_, index) =>
  index % 2 === 0
    ? { side: 'client' as const, host: `10.${index}.0.0/16`, use }
    : { side: 'client' as const, host: `db-${index}.internal`, use },
);

const variants = {
  without: undefined,
  oneRule: [{ side: 'client', host: '127.0.0.1', use }],
  hundredRules: [...hundred, { side: 'client', host: '127.0.0.1', use }],
} as const;

// Client and server are both in this process, and only the client's side is under rules.
const server = net.createServer((socket) => socket.on('error', () => {}).resume());
await once(server.listen(0, '127.0.0.1', 1_024), 'listening');
const { port } = server.address() as net.AddressInfo;

const costs: Record<keyof typeof variants, number[]> = { without: [], oneRule: [], hundredRules: [] };
const names = Object.keys(costs) as (keyof typeof variants)[];
for (let round = 0; round < WARM_UP + ROUNDS; round++) {
  // Each is first, second and last as often, so that what one leaves behind for the next evens out.
  const turn = round % names.length;
  for (const name of [...names.slice(turn), ...names.slice(0, turn)]) {
    const rules = variants[name];
    const uninstall = rules && library.installKeepAlive(rules);
    // What an installation leaves behind for the first connections is not theirs.
    await connect(WARM_UP);
    const cost = await slice();
    uninstall?.();
    if (round >= WARM_UP) costs[name].push(cost);
  }
}
server.close();
report(costs satisfies ConnectionCosts);

/** Microseconds of CPU for each of some connections, from `connect()` until it is closed. */
async function slice(): Promise<number> {
  const before = process.cpuUsage();
  await connect(CONNECTIONS);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / CONNECTIONS;
}

async function connect(connections: number): Promise<void> {
  for (let count = 0; count < connections; count++) {
    const socket = net.connect(port, '127.0.0.1');
    await once(socket, 'connect');
    socket.destroy();
  }
  await new Promise(setImmediate);
}

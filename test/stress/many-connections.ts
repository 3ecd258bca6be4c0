import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { fileURLToPath } from 'node:url';
import { listConnections } from 'tcp-keepalive/machine';
import { whenAlone } from './alone.ts';

// Tens of thousands of connections of six processes are all listed, each once, with the process that has it, also
// while others come and go.
//
//     npx tsx test/stress/many-connections.ts [--full]

/** Three processes listen, and three connect to them. */
const PAIRS = 3;
const AT_ONCE = 250;

interface Listed {
  connections: number;
  milliseconds: number;
  withOptions: number;
  underChurn: number;
}

export async function manyConnections(count: number): Promise<Listed> {
  const children: ChildProcess[] = [];
  try {
    return await measure(count, children);
  } finally {
    await Promise.all(children.map((child) => child.kill('SIGKILL') && once(child, 'exit')));
  }
}

async function measure(count: number, children: ChildProcess[]): Promise<Listed> {
  const ports = new Set<number>();
  const clients = new Map<number, number>();
  for (let pair = 0; pair < PAIRS; pair++) {
    // Each has addresses of its own: between two there are 28 000 ports.
    const host = `127.0.0.${10 + pair}`;
    const server = child(children, ['listen', host]);
    const [port] = (await once(server, 'message')) as [number];
    ports.add(port);
    const client = child(children, ['connect', host, String(port), String(Math.ceil(count / PAIRS))]);
    clients.set(client.pid ?? 0, port);
  }
  await Promise.all(children.filter((_, i) => i % 2 === 1).map((client) => once(client, 'message')));

  const begin = performance.now();
  const owned = await complete(count, ports, clients);
  const milliseconds = Math.round(performance.now() - begin);
  const read = await listConnections({ options: true, state: 'ESTABLISHED', remote: '127.0.0.0/24' });
  const withOptions = read.filter(
    ({ remote, options }) => ports.has(remote.port) && options !== undefined,
  ).length;
  assert.equal(withOptions, owned);
  for (const each of children) if (each.connected) each.send('churn');
  let underChurn = 0;
  for (let round = 0; round < 5; round++) underChurn = await complete(count, ports, clients);
  return { connections: owned, milliseconds, withOptions, underChurn };
}

/** Lists, and compares: at least those that stay, each once, each with the process that opened it. */
async function complete(
  count: number,
  ports: ReadonlySet<number>,
  clients: ReadonlyMap<number, number>,
): Promise<number> {
  const all = await listConnections({ owners: true, state: 'ESTABLISHED' });
  const opened = all.filter(({ remote }) => ports.has(remote.port));
  assert.equal(new Set(opened.map(({ cookie }) => cookie)).size, opened.length, 'each is listed once');
  const stay = opened.filter(
    ({ owner, remote }) => owner !== undefined && clients.get(owner.pid) === remote.port,
  );
  assert.ok(stay.length >= count, `${stay.length} of ${count} are listed with their process`);
  return stay.length;
}

function child(children: ChildProcess[], args: string[]): ChildProcess {
  const started = fork(fileURLToPath(import.meta.url), args, { execArgv: ['--import', 'tsx'] });
  children.push(started);
  return started;
}

const [, , role, host = '', port, count] = process.argv;
if (role === 'listen') await listenHere();
else if (role === 'connect') await connectHere();
else await whenAlone(import.meta.url, (full) => manyConnections(full ? 50_000 : 6_000));

async function listenHere(): Promise<void> {
  const server = net.createServer((socket) => void socket.on('error', () => {})).listen(0, host, 4_096);
  await once(server, 'listening');
  process.on('disconnect', () => process.exit());
  process.send?.((server.address() as net.AddressInfo).port);
}

async function connectHere(): Promise<void> {
  process.on('disconnect', () => process.exit());
  const target = { host, port: Number(port) };
  for (let made = 0; made < Number(count); made += AT_ONCE) {
    const some = Array.from({ length: Math.min(AT_ONCE, Number(count) - made) }, () => net.connect(target));
    await Promise.all(
      some.map((socket) =>
        once(
          socket.on('error', () => {}),
          'connect',
        ),
      ),
    );
  }
  process.send?.('connected');
  await once(process, 'message');
  for (;;) {
    const socket = net.connect(target);
    await once(socket, 'connect');
    socket.resetAndDestroy();
    await once(socket, 'close');
  }
}

import { vanishingProxy } from 'tcp-keepalive/testing';
import { startFailover } from '../../test/helpers/failover.ts';
import { postgres, startPostgres } from '../../test/helpers/start-postgres.ts';
import { openPools } from './pools.ts';
import { reconnect } from './reconnect.ts';
import { vanish } from './scenario.ts';
import { openScreen } from './screen.ts';
import { untilSignal } from './signals.ts';
import { showSummary } from './summary.ts';
import { noticedInTime } from './watch.ts';

const INTRODUCTION = `
Three pools of pg, with a connection each, reach it through a proxy. In the next
35 seconds the proxy vanishes three times, like a server that loses its power:
nothing is answered, closed or reset. Which pool notices, and when? The kernel
counts what it sends in vain.
`;

const CONCLUSION = `
The times without (measured) are predicted from the options of the pools' own
sockets. The difference between the first pool and the last is one line:

  keepAlivePg(pool, 'fastFailover');`;

process.exitCode = await main();

async function main(): Promise<number> {
  const missing =
    process.platform === 'linux' ? postgres.missing() : `it needs Linux, and this is ${process.platform}`;
  return missing === undefined ? untilSignal(demo) : cannotRun(missing);
}

function cannotRun(reason: string): number {
  console.error(`The demo cannot run here: ${reason}`);
  return 1;
}

async function demo(signal: AbortSignal): Promise<number> {
  const screen = openScreen();
  screen.write('Starting a real PostgreSQL, in a temporary directory ...', 'quiet');
  const server = await startPostgres().catch((error: Error) => error.message);
  if (typeof server === 'string') return cannotRun(server);
  const proxy = await vanishingProxy({ to: server.port });
  const failover = await startFailover(server);
  const pools = openPools({ ...server, port: proxy.port });
  const newPools = openPools({ ...server, host: failover.host });
  try {
    signal.throwIfAborted();
    screen.write(INTRODUCTION);
    screen.write('1. The server vanishes while the connections are idle\n', 'strong');
    const idle = await vanish('idle', pools, proxy, screen, signal);
    screen.write('\n2. The server vanishes, and a query is sent to it\n', 'strong');
    const inFlight = await vanish('in flight', pools, proxy, screen, signal);
    screen.write('\n3. A failover: the server has vanished, and the pools connect again\n', 'strong');
    const connecting = await reconnect(newPools, failover, screen, signal);
    screen.write('\nHow long each pool takes to notice\n', 'strong');
    showSummary(pools, { idle, 'query in flight': inFlight, connecting }, screen);
    screen.write(CONCLUSION);
    return [idle, inFlight, connecting].every((watches) => watches.some(noticedInTime)) ? 0 : 1;
  } finally {
    screen.clear();
    await proxy.close();
    await Promise.all([...pools, ...newPools].map((pool) => pool.end()));
    await failover.close();
    await server.stop();
  }
}

import { once } from 'node:events';
import http from 'node:http';
import type net from 'node:net';
import pg from 'pg';
import type { Slices } from '../rules.ts';
import { report } from '../support/child.ts';
import { library } from '../support/library.ts';

// Many short ones: a neighbour meets the same mood of the machine, and the median many pairs.
const SLICES = 200;

/** One slice of a job: `rounds` of it, one after the other. */
interface Job {
  readonly rounds: number;
  round(): Promise<void>;
  close(): void;
}

const rules = [
  { host: ['db.internal', '10.0.0.0/8', 'fd00::/8'], use: 'fastFailover' },
  { side: 'server', use: 'websocket' },
  { side: 'client', use: 'database' },
] as const;

const job = process.argv[2] === 'connect' ? connecting(process.argv[3] ?? '') : await requesting();
const without: number[] = [];
const withRules: number[] = [];
// The first ones only warm up.
for (let count = -SLICES / 10; count < SLICES; count++) {
  const pair = [plainly, underRules];
  // Each goes first as often as second, so that what one leaves behind for the next evens out.
  for (const run of count % 2 === 0 ? pair : pair.reverse()) await run(count >= 0);
}
job.close();
report({ without, withRules } satisfies Slices);

async function plainly(counts: boolean): Promise<void> {
  const time = await slice(job);
  if (counts) without.push(time);
}

async function underRules(counts: boolean): Promise<void> {
  const uninstall = library.installKeepAlive(rules);
  const time = await slice(job);
  uninstall();
  if (counts) withRules.push(time);
}

/** Milliseconds a round. */
async function slice({ rounds, round }: Job): Promise<number> {
  const start = performance.now();
  for (let count = 0; count < rounds; count++) await round();
  return (performance.now() - start) / rounds;
}

function connecting(account: string): Job {
  const settings = JSON.parse(account) as pg.ClientConfig;
  return {
    rounds: 1_000 / SLICES,
    async round() {
      const client = new pg.Client(settings);
      await client.connect();
      await client.query('SELECT 1');
      await client.end();
    },
    close() {},
  };
}

async function requesting(): Promise<Job> {
  const server = http.createServer({ keepAliveTimeout: 60_000 }, (_request, response) => response.end('ok'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  let requests = 0;
  return {
    rounds: 20_000 / SLICES,
    async round() {
      // A new connection with each slice, for the rules to meet.
      if (requests++ % (20_000 / SLICES) === 0) agent.destroy();
      const request = http.get({ port, host: '127.0.0.1', agent });
      const [response] = (await once(request, 'response')) as [http.IncomingMessage];
      response.resume();
      await once(response, 'end');
    },
    close() {
      agent.destroy();
      server.close();
      server.closeAllConnections();
    },
  };
}

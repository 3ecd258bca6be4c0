import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { listConnections } from '../../../machine/index.ts';
import { within } from '../../../options/fields.ts';
import { printable } from '../../../options/show.ts';
import { parseWhole } from '../../../options/words.ts';
import { type Command, parseArguments } from '../../command.ts';
import { failed } from '../../failed.ts';
import { untilStopped } from '../../stopped.ts';
import { UsageError } from '../../usage-error.ts';
import { readCounters } from '../sockets/counters.ts';
import { look, type Query, queryOfProcess } from '../sockets/query.ts';
import { grouping, type PortRange } from './groups.ts';
import { metricsOf } from './metrics.ts';
import { CONTENT_TYPE, textFormat } from './text-format.ts';

const PORT = 9464;
const HOST = '127.0.0.1';

const help = `tcp-keepalive exporter: this machine's TCP connections as metrics

Usage: tcp-keepalive exporter [options]

  --port <number>   the port of http://127.0.0.1:${PORT}/metrics, ${PORT} without it; 0 is
                    any that is free
  --host <address>  where to listen, ${HOST} without it: whoever can connect
                    learns the names of this machine's programs and their ports
  --pid <number>    only the connections of this process

Connections are counted by the name of the process and by the port of the
service: the remote one if the process opened the connection, its own if it
accepted it. There are at most 2000 of these groups.

Linux only. Processes of other users need root, or CAP_SYS_PTRACE with
CAP_DAC_READ_SEARCH; without, they are counted as the process "unknown".

Examples:
  tcp-keepalive exporter
  tcp-keepalive exporter --host 0.0.0.0 --port 9464
`;

const optionTypes = { port: 'string', host: 'string', pid: 'string' } as const;

/** `tcp-keepalive exporter` */
export const exporter: Command = {
  help,
  async run(args, io) {
    const given = parseArguments(args, optionTypes);
    if (given.positionals[0] !== undefined) {
      throw new UsageError(`Expected options such as --port ${PORT}, got \`${given.positionals[0]}\``);
    }
    const port = given.parsed('port', parsePort) ?? PORT;
    const collect = collector(queryOfProcess(given.parsed('pid', parseWhole)));
    try {
      // A refusal of the system is reported at once, and not at the first scrape.
      await collect();
      const server = serverOf(collect).listen(port, given.value('host') ?? HOST);
      await once(server, 'listening');
      const { address, family, port: taken } = server.address() as AddressInfo;
      // The first process of a container ends by no signal that it does not hear.
      const stopped = untilStopped();
      io.out(`http://${family === 'IPv6' ? `[${address}]` : address}:${taken}/metrics\n`);
      await Promise.race([aborted(stopped.signal), aborted(io.closed)]);
      stopped.end();
      server.close();
      server.closeAllConnections();
      return 0;
    } catch (error) {
      return failed(error, io);
    }
  },
};

function parsePort(flag: string, text: string): number {
  return within({ min: 0, max: 65_535, unit: '' })(parseWhole(flag, text), flag);
}

/** Looks at the connections; calls at the same time share one look. */
function collector(query: Query): () => Promise<string> {
  const group = grouping(ephemeralPorts());
  const collect = async () => {
    const begin = performance.now();
    const connections = await look(query);
    const listeners = await listConnections({ state: 'LISTEN' });
    const groups = group(connections, new Set(listeners.map(({ local }) => local.port)));
    return textFormat(metricsOf({ groups, counters: readCounters(), took: performance.now() - begin }));
  };
  let running: Promise<string> | undefined;
  return () => {
    running ??= collect().finally(() => {
      running = undefined;
    });
    return running;
  };
}

function ephemeralPorts(): PortRange {
  const [first = 0, last = 0] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8')
    .split(/\s+/)
    .map(Number);
  return [first, last];
}

function serverOf(collect: () => Promise<string>): http.Server {
  return http.createServer(async ({ method, url = '' }, response) => {
    const { status, text, type = 'text/plain; charset=utf-8' } = await answerTo(method, url, collect);
    response.writeHead(status, { 'content-type': type }).end(text);
  });
}

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly type?: string;
}

async function answerTo(method = '', url: string, collect: () => Promise<string>): Promise<Answer> {
  if (method !== 'GET' && method !== 'HEAD') return { status: 405, text: 'Expected GET\n' };
  if (url.split('?')[0] !== '/metrics') return { status: 404, text: 'The metrics are at /metrics\n' };
  try {
    return { status: 200, text: await collect(), type: CONTENT_TYPE };
  } catch (error) {
    return { status: 500, text: `${printable((error as Error).message)}\n` };
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort');
}

import { setTimeout } from 'node:timers/promises';
import {
  type Connection,
  type ConnectionFilter,
  listConnections,
  type TcpState,
} from '../../../machine/index.ts';
import { didYouMean } from '../../../options/show.ts';
import { parseWhole } from '../../../options/words.ts';
import { type Command, type ParsedArguments, parseArguments } from '../../command.ts';
import { failed } from '../../failed.ts';
import { predictable, readSystem } from '../../system.ts';
import { json } from '../../text.ts';
import { UsageError } from '../../usage-error.ts';
import { ratesSince, readCounters } from './counters.ts';
import { draw, endOf, type Screen, type Shown, summaryOf } from './drawing.ts';
import { fateOf } from './fate.ts';

const sorts = {
  peer: (a: Shown, b: Shown) => endOf(a).localeCompare(endOf(b), 'en', { numeric: true }),
  state: (a: Shown, b: Shown) => a.state.localeCompare(b.state),
  rtt: (a: Shown, b: Shown) => (b.info?.rtt ?? 0) - (a.info?.rtt ?? 0),
  next: (a: Shown, b: Shown) => (a.timer?.expires ?? Infinity) - (b.timer?.expires ?? Infinity),
  unanswered: (a: Shown, b: Shown) => (b.timer?.unanswered ?? 0) - (a.timer?.unanswered ?? 0),
  idle: (a: Shown, b: Shown) => (b.fate.idle ?? 0) - (a.fate.idle ?? 0),
  sent: (a: Shown, b: Shown) => (b.fate.sent ?? 0) - (a.fate.sent ?? 0),
} as const;

const help = `tcp-keepalive sockets: every TCP connection of this machine, and its fate

Usage: tcp-keepalive sockets [options]

  --pid <number>      only those of this process
  --name <program>    only those of processes of this name, such as node
  --port <number>     only those with this port, at either end
  --remote <address>  only those to this address, CIDR block or port:
                      10.0.0.0/8, 10.0.0.1:5432, :5432, [2001:db8::/32]:5432
  --state <state>     only those in this state: ESTABLISHED, TIME_WAIT, LISTEN, ...;
                      without it, all but these last two
  --sort <column>     ${Object.keys(sorts).join(', ')}
  --json              connections, summary and rates as JSON, where null is never

Columns: the peer; the state; the round trip; the options, as initialDelay/
interval/count userTimeout; the next thing that the kernel does by itself (probe,
retry, window); how often it did so without an answer; when a peer that vanishes
is noticed, if the connection is idle, and if data was sent.

Linux only. Processes of other users need root; their options are unknown.

Examples:
  tcp-keepalive sockets
  tcp-keepalive sockets --name node --remote :5432
  tcp-keepalive sockets --pid 4711 --sort unanswered
`;

const optionTypes = {
  pid: 'string',
  name: 'string',
  port: 'string',
  remote: 'string',
  state: 'string',
  sort: 'string',
  json: 'boolean',
} as const;

/** Over which time the counters of the machine are compared, in milliseconds. */
const WHILE = 500;

/** `tcp-keepalive sockets` */
export const sockets: Command = {
  help,
  async run(args, io) {
    const given = parseArguments(args, optionTypes);
    if (given.positionals[0] !== undefined) {
      throw new UsageError(`Expected options such as --pid 4711, got \`${given.positionals[0]}\``);
    }
    const query = queryOf(given);
    try {
      const screen = await look(query);
      io.out(given.has('json') ? asJson(screen) : draw(io, screen));
      return 0;
    } catch (error) {
      return failed(error, io);
    }
  },
};

/** Connections in `TIME_WAIT` have ended, and nothing can be lost of them. */
const unended: readonly TcpState[] = [
  'ESTABLISHED',
  'SYN_SENT',
  'SYN_RECV',
  'FIN_WAIT1',
  'FIN_WAIT2',
  'CLOSE_WAIT',
  'LAST_ACK',
  'CLOSING',
];

interface Query {
  readonly filters: readonly ConnectionFilter[];
  readonly name: string | undefined;
  readonly sort: (a: Shown, b: Shown) => number;
}

function queryOf(given: ParsedArguments): Query {
  const filter: ConnectionFilter = {
    options: true,
    pid: given.parsed('pid', parseWhole),
    remote: given.value('remote'),
    state: given.parsed('state', parseState) ?? unended,
  };
  const port = given.parsed('port', parseWhole);
  const sort = given.parsed('sort', parseSort) ?? sorts.peer;
  return {
    filters: port === undefined ? [filter] : portFilters(filter, port),
    name: given.value('name'),
    sort,
  };
}

/** The kernel compares one end at a time. */
function portFilters(filter: ConnectionFilter, port: number): ConnectionFilter[] {
  if (filter.remote !== undefined) {
    throw new UsageError(`Expected --port or --remote, got both; write --remote ${filter.remote}:${port}`);
  }
  return [
    { ...filter, local: port },
    { ...filter, remote: port },
  ];
}

function parseState(_flag: string, text: string): TcpState {
  const name = text.toUpperCase().replaceAll('-', '_');
  return (name === 'ESTAB' ? 'ESTABLISHED' : name) as TcpState;
}

function parseSort(flag: string, text: string): Query['sort'] {
  if (Object.hasOwn(sorts, text)) return sorts[text as keyof typeof sorts];
  const names = Object.keys(sorts);
  throw new UsageError(
    `Expected \`${flag}\` to be ${names.join(', ')}, got \`${text}\`${didYouMean(text, names)}`,
  );
}

async function look({ filters, name, sort }: Query): Promise<Screen> {
  const found = new Map<number, Connection>();
  const [before, system] = [readCounters(), predictable(await readSystem()) ?? {}];
  for (const filter of filters) {
    for (const connection of await listConnections(filter)) found.set(connection.cookie, connection);
  }
  const connections = [...found.values()]
    .filter(({ owner }) => name === undefined || owner?.name === name)
    .map((connection): Shown => ({ ...connection, fate: fateOf(connection, system) }));
  await setTimeout(WHILE - (performance.now() - before.at));
  return {
    connections: connections.sort((a, b) => byProcess(a, b) || sort(a, b)),
    rates: ratesSince(before),
  };
}

function byProcess({ owner: a }: Shown, { owner: b }: Shown): number {
  if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined);
  return a.name.localeCompare(b.name) || a.pid - b.pid;
}

function asJson({ connections, rates }: Screen): string {
  return json({ connections, summary: summaryOf(connections), rates });
}

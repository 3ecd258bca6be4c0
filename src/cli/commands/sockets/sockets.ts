import { type Command, type Io, parseArguments } from '../../command.ts';
import { failed } from '../../failed.ts';
import { json, labelled, paint, width } from '../../text.ts';
import { UsageError } from '../../usage-error.ts';
import { hintOfChildren } from './children.ts';
import { comparable, ratesSince, readCounters } from './counters.ts';
import { draw, type Look, summaryOf } from './drawing.ts';
import { ordered, parseSort, type Sort, sorts } from './order.ts';
import { choices, look, type Query, queryOf } from './query.ts';
import { watchAsJson, watchAsLog, watchOnScreen } from './watch.ts';

const help = `tcp-keepalive sockets: every TCP connection of this machine, and its fate

Usage: tcp-keepalive sockets [options]

  --pid <number>      only those of this process
  --name <program>    only those of processes of this name, such as node
  --port <number>     only those with this port, at either end
  --remote <address>  only those to this address, CIDR block or port:
                      10.0.0.0/8, 10.0.0.1:5432, :5432, [2001:db8::/32]:5432
  --state <state>     only those in this state: ESTABLISHED, TIME_WAIT, LISTEN, ...;
                      without it, all but these last two
  --sort <column>     ${sorts.join(', ')}
  --watch             a live screen: scroll with the arrows, sort with left and
                      right, quit with q; a log of changes if the output is no
                      terminal; with --json, a line of JSON each second
  --json              connections, summary and rates as JSON, where null is never

Columns: the peer; the state; the round trip; the options, as initialDelay/
interval/count userTimeout; the next thing that the kernel does by itself (probe,
retry, window); how often it did so without an answer; when a peer that vanishes
is noticed, if the connection is idle, and if data was sent. A narrow terminal
has fewer of them.

Linux only. Processes of other users need root; their options are unknown.

Examples:
  tcp-keepalive sockets
  tcp-keepalive sockets --name node --remote :5432
  tcp-keepalive sockets --pid 4711 --watch --sort unanswered
`;

const optionTypes = { ...choices, sort: 'string', watch: 'boolean', json: 'boolean' } as const;

/** `tcp-keepalive sockets` */
export const sockets: Command = {
  help,
  async run(args, io) {
    const given = parseArguments(args, optionTypes);
    if (given.positionals[0] !== undefined) {
      throw new UsageError(`Expected options such as --pid 4711, got \`${given.positionals[0]}\``);
    }
    const query = queryOf(given);
    const sort = given.parsed('sort', parseSort) ?? 'peer';
    try {
      if (given.has('watch')) await watch(io, query, sort, given.has('json'));
      else await once(io, query, sort, given.has('json'));
      return 0;
    } catch (error) {
      return failed(error, io);
    }
  },
};

async function once(io: Io, query: Query, sort: Sort, isJson: boolean): Promise<void> {
  const before = readCounters();
  const connections = ordered(await look(query), sort);
  await comparable(before);
  const shown: Look = { connections, rates: ratesSince(before) };
  const hint = connections.length === 0 ? await hintOfChildren(query) : undefined;
  io.out(isJson ? json(asJson(shown)) : draw(io, shown));
  if (hint !== undefined) io.err(`${labelled(paint(io, 'yellow', 'note'.padEnd(6)), hint, 6, width(io))}\n`);
}

function watch(io: Io, query: Query, sort: Sort, isJson: boolean): Promise<void> {
  if (isJson) return watchAsJson(io, query, asJson);
  return io.isScreen ? watchOnScreen(io, query, sort) : watchAsLog(io, query);
}

function asJson({ connections, rates }: Look): object {
  return { connections, summary: summaryOf(connections), rates };
}

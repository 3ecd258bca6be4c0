import { differs, finish, type UnfinishedChange, writeChanges } from '../../../machine/apply.ts';
import { parseEndpoint } from '../../../machine/endpoint.ts';
import type { ProcessChange } from '../../../machine/index.ts';
import { identify, type ProcessIdentity } from '../../../machine/process.ts';
import { parseKeepAliveOptions } from '../../../options/parse.ts';
import { formatTime, parseWhole, parseWords } from '../../../options/words.ts';
import { type Command, type Io, type ParsedArguments, parseArguments } from '../../command.ts';
import { expectConsent, hasConsent } from '../../confirm.ts';
import { failed } from '../../failed.ts';
import { json } from '../../text.ts';
import { UsageError } from '../../usage-error.ts';
import { counted } from '../sockets/drawing.ts';
import { drawChanges, drawNotes, drawResult, note } from './drawing.ts';
import { planAll, type Request } from './request.ts';
import { watch } from './watch.ts';

const help = `tcp-keepalive apply: options on the open connections of a running program

Usage: tcp-keepalive apply <preset> [<option>=<value> ...] --pid <number>
                           --remote <address> [options]

  --pid <number>      the process, of a program in any language
  --remote <address>  its connections to this port, address or CIDR block:
                      :5432, 10.0.0.1:5432, 10.0.0.0/8, [2001:db8::/32]:5432
  --listen <address>  its listener at this port or address, :8080, from which
                      the connections inherit that it accepts later
  --dry-run           show what would be changed, and change nothing
  --yes               do not ask
  --watch             go on with connections that are opened later
  --json              the connections with their options before and after

It borrows each socket for a moment, reads it, writes what differs and lets go:
the program notices nothing. It needs Linux 5.6, and the same user or root. A
userTimeout is written once a peer that was silent has been heard. Without --yes
it asks, on a terminal. Exit code 1 if a connection could not be changed.

Examples:
  tcp-keepalive apply database --pid 4711 --remote :5432 --dry-run
  tcp-keepalive apply database userTimeout=20s --pid 4711 --remote 10.0.0.0/8
  tcp-keepalive apply websocket --pid 4711 --listen :8080 --yes
`;

const optionTypes = {
  pid: 'string',
  remote: 'string',
  listen: 'string',
  'dry-run': 'boolean',
  yes: 'boolean',
  watch: 'boolean',
  json: 'boolean',
} as const;

/** `tcp-keepalive apply` */
export const apply: Command = {
  help,
  async run(args, io) {
    const given = parseArguments(args, optionTypes);
    const request = requestOf(given);
    if (!given.has('dry-run')) expectConsent(given, io);
    try {
      return await applied(request, given, io);
    } catch (error) {
      return failed(error, io);
    }
  },
};

function requestOf(given: ParsedArguments): Request {
  const [remote, listen] = [given.value('remote'), given.value('listen')];
  const pid = given.parsed('pid', parseWhole);
  if (given.positionals.length === 0)
    throw new UsageError('Expected a preset or options, such as apply database');
  const settings = parseKeepAliveOptions(parseWords(given.positionals));
  if (pid === undefined) throw new UsageError('Expected --pid, such as --pid 4711');
  if (remote === undefined && listen === undefined) {
    throw new UsageError('Expected --remote or --listen, such as --remote :5432');
  }
  if (given.has('json') && given.has('watch')) throw new UsageError('Expected --json or --watch, got both');
  if (remote !== undefined) parseEndpoint(remote, 'remote');
  if (listen !== undefined) parseEndpoint(listen, 'listen');
  return {
    pid,
    settings,
    filters: [
      ...(remote === undefined ? [] : [{ remote }]),
      ...(listen === undefined ? [] : [{ local: listen, state: 'LISTEN' as const }]),
    ],
  };
}

async function applied(request: Request, given: ParsedArguments, io: Io): Promise<number> {
  const process = identify(request.pid);
  const planned = await planAll(process, request);
  const differing = planned.filter(differs);
  if (planned.length === 0 && !given.has('watch')) return noneFound(process, given, io);
  const isJson = given.has('json');
  if (planned.length > 0 && !isJson) io.out(drawChanges(io, process, planned) + drawNotes(io, planned));
  if (given.has('dry-run')) {
    io.out(isJson ? asJson(process, planned) : `${counted(differing.length)} would be changed.\n`);
    return 0;
  }
  if (differing.length + Number(given.has('watch')) > 0) {
    if (isJson && !given.has('yes')) io.err(drawChanges(io, process, planned) + drawNotes(io, planned));
    if (!(await hasConsent(given, io, questionFor(process, differing.length, given.has('watch'))))) return 1;
  }
  const written = await writeChanges(process, planned, request.settings);
  if (!isJson) io.out(waiting(io, written));
  const changes = await finish(process, written);
  io.out(isJson ? asJson(process, changes) : drawResult(io, changes));
  if (given.has('watch')) await watch(io, process, request, changes);
  return changes.some(({ error }) => error !== undefined) ? 1 : 0;
}

function noneFound({ name, pid }: ProcessIdentity, given: ParsedArguments, io: Io): number {
  const which = ['remote', 'listen'].flatMap((flag) =>
    given.has(flag) ? [`--${flag} ${given.value(flag)}`] : [],
  );
  io.err(
    `tcp-keepalive: Nothing of ${name} ${pid} matches ${which.join(' or ')}: list all with tcp-keepalive sockets --pid ${pid}\n`,
  );
  return 1;
}

function questionFor({ name, pid }: ProcessIdentity, count: number, isWatched: boolean): string {
  const later = isWatched ? ', and those that are opened later' : '';
  return `Change ${counted(count)} of ${name} ${pid}${later}?`;
}

function waiting(io: Io, written: readonly UnfinishedChange[]): string {
  const waits = written.flatMap(({ pending }) => (pending === undefined ? [] : [pending.within]));
  if (waits.length === 0) return '';
  return note(
    io,
    `${counted(waits.length)} had not been heard for longer than initialDelay: userTimeout is written once the peer ` +
      `has been heard, or after ${formatTime(Math.max(...waits))}.`,
  );
}

function asJson({ name, pid }: ProcessIdentity, changes: readonly ProcessChange[]): string {
  const connections = changes.map(({ connection, error, ...change }) => {
    const { local, remote, state } = connection;
    return { local, remote, state, ...change, ...(error && { error: error.message }) };
  });
  return json({ process: { name, pid }, connections });
}

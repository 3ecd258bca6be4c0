import { Drill } from '../../../machine/drill.ts';
import { parseEndpoint } from '../../../machine/endpoint.ts';
import type { ConnectionInDrill, DrilledConnection, DrillReport } from '../../../machine/index.ts';
import { identify } from '../../../machine/process.ts';
import { wrap } from '../../../options/show.ts';
import { formatTime, parseTime, parseWhole } from '../../../options/words.ts';
import { type Command, type Io, type ParsedArguments, parseArguments } from '../../command.ts';
import { expectConsent, hasConsent } from '../../confirm.ts';
import { failed } from '../../failed.ts';
import { untilStopped } from '../../stopped.ts';
import { predictable, readSystem } from '../../system.ts';
import { json, width } from '../../text.ts';
import { UsageError } from '../../usage-error.ts';
import { DrillLog, drawNotice, drawVerdicts } from './drawing.ts';

const help = `tcp-keepalive drill: let the peer of a running program vanish

Usage: tcp-keepalive drill --pid <number> --remote <address> [options]

  --pid <number>      the process, of a program in any language
  --remote <address>  which peers: a port, an address or a CIDR block:
                      :5432, 10.0.0.1:5432, 10.0.0.0/8, [2001:db8::/32]:5432
  --for <time>        for how long at most (60s)
  --within <time>     in which time the program has to notice it (the latest
                      that is predicted for each connection)
  --yes               do not ask
  --json              the result as JSON, in milliseconds, where null is never

Its open connections are made deaf, so that nothing arrives any more: no answer,
no reset. It needs no firewall and no second machine, only Linux 5.6 and the
same user or root. What is left is undone at the end, also on Ctrl-C. The
program really loses these connections: what it sends still arrives, and the
peer keeps its end until its own timers notice.

Exit code 0 only if every connection was closed in time, else 1.

Examples:
  tcp-keepalive drill --pid 4711 --remote :5432
  tcp-keepalive drill --pid 4711 --remote 10.0.0.1:6379 --within 15s --yes
`;

const optionTypes = {
  pid: 'string',
  remote: 'string',
  for: 'string',
  within: 'string',
  yes: 'boolean',
  json: 'boolean',
} as const;

/** How long a drill takes at most if nobody says, in milliseconds. */
const USUAL = 60_000;

/** The time that a process needs to close a connection that is given up, and this one to see it, in milliseconds. */
const MOMENT = 250;

/** `tcp-keepalive drill` */
export const drill: Command = {
  help,
  async run(args, io) {
    const given = parseArguments(args, optionTypes);
    const request = requestOf(given);
    expectConsent(given, io);
    try {
      return await drilled(request, given, io);
    } catch (error) {
      return failed(error, io);
    }
  },
};

interface Request {
  readonly pid: number;
  readonly remote: string;
  readonly for: number;
  readonly within: number | undefined;
}

function requestOf(given: ParsedArguments): Request {
  const [first] = given.positionals;
  if (first !== undefined) throw new UsageError(`Expected options such as --pid 4711, got \`${first}\``);
  const [pid, remote] = [given.parsed('pid', parseWhole), given.value('remote')];
  if (pid === undefined || remote === undefined) {
    throw new UsageError('Expected --pid and --remote, such as --pid 4711 --remote :5432');
  }
  parseEndpoint(remote, 'remote');
  const within = given.parsed('within', parseTime);
  const most = given.parsed('for', parseTime) ?? Math.max(USUAL, within ?? 0);
  if (most < 1_000 || most > 86_400_000) {
    throw new UsageError(`Expected \`--for\` to be from 1s to 24h, got ${formatTime(most)}`);
  }
  if (within !== undefined && within > most) {
    throw new UsageError(
      `Expected --within to be at most --for (${formatTime(most)}), got ${formatTime(within)}`,
    );
  }
  return { pid, remote, for: most, within };
}

async function drilled(request: Request, given: ParsedArguments, io: Io): Promise<number> {
  const isJson = given.has('json');
  const tell = isJson ? () => {} : io.out;
  const system = predictable(await readSystem()) ?? {};
  const drill = await Drill.prepare(identify(request.pid), request.remote, system);
  const notice = drawNotice(io, drill, request.for);
  if (!isJson) io.out(`${notice}\n`);
  else if (!given.has('yes')) io.err(`${notice}\n`);
  if (!(await hasConsent(given, io, 'Let it vanish?'))) return 1;
  const log = new DrillLog(io);
  const stop = untilStopped();
  const began = performance.now();
  try {
    const report = await drill.run({
      for: request.for,
      signal: stop.signal,
      onLook: (connections) => tell(log.look(connections)),
    });
    const lasted = Math.min(request.for, performance.now() - began);
    io.out(isJson ? json(report) : conclusion(io, drill.inDrill(), { report, request, lasted }));
    return report.connections.every((each) => isInTime(each, request)) ? 0 : 1;
  } finally {
    stop.end();
  }
}

type Lost = Pick<DrilledConnection, 'verdict' | 'noticedAfter' | 'predicted'>;

function isInTime({ verdict, noticedAfter = Infinity, predicted }: Lost, { within }: Request): boolean {
  return verdict === 'noticed' && noticedAfter <= (within ?? predicted.latest + MOMENT);
}

function conclusion(
  io: Io,
  connections: readonly ConnectionInDrill[],
  { report, request, lasted }: { report: DrillReport; request: Request; lasted: number },
): string {
  const verdicts = drawVerdicts(io, connections, { lasted, isInTime: (each) => isInTime(each, request) });
  const left = connections.filter(({ verdict }) => verdict === 'notNoticed').length;
  const texts = [
    ...(left === 0
      ? []
      : [
          `Undone: ${left === 1 ? 'the connection that is left hears' : `the ${left} connections that are left hear`} again.`,
        ]),
    recovery(report, request, connections),
  ];
  return `\n${verdicts}\n${texts.map((text) => `${wrap(text, width(io)).join('\n')}\n`).join('')}`;
}

function recovery(
  { recoveredAfter }: DrillReport,
  { remote }: Request,
  connections: readonly ConnectionInDrill[],
): string {
  if (recoveredAfter !== null) {
    return `A new connection to ${remote} worked after ${formatTime(recoveredAfter)}.`;
  }
  const isLost = connections.every(({ verdict }) => verdict === 'noticed');
  return isLost
    ? `No new connection to ${remote} within 5s of the last loss: the program may open one when it needs it.`
    : `No new connection to ${remote}.`;
}

import { didYouMean, grouped, wrap } from '../../options/show.ts';
import { exactTime, formatTime, parseTime, parseWhole } from '../../options/words.ts';
import { type Configuration, configurations } from '../../predict/configurations.ts';
import { parsePath, pathIdleLimits } from '../../predict/paths.ts';
import { planKeepAlive } from '../../predict/plan.ts';
import { type Report, reportOf } from '../../predict/report.ts';
import { type Command, type Io, type ParsedArguments, parseArguments } from '../command.ts';
import { drawFindings, INDENT } from '../report.ts';
import { json, width } from '../text.ts';
import { UsageError } from '../usage-error.ts';

const help = `tcp-keepalive plan: the gentlest options that notice a vanished peer in time

Usage: tcp-keepalive plan <time> [options]
       tcp-keepalive plan --detect <time> [options]

  --detect <time>         notice it within this time: 30s, 1m30s, 500ms, or
                          bare milliseconds
  --path <name|time>      what lies between the two ends, or after how much
                          silence it forgets a connection
  --probes <number>       unanswered probes before a drop, in every timing (3)
  --rto <time>            the retransmission timeout (of a peer nearby)
  --from <moment>         write: the time counts from a write (the default);
                          vanish: from the moment the peer vanished, whatever
                          is written into the silence
  --icmp                  keep to the time too if a router reports the peer as
                          unreachable
  --connections <number>  how many connections have these options (10000)
  --format <format>       ${Object.keys(configurations).slice(0, 5).join(', ')},
                          ${Object.keys(configurations).slice(5).join(', ')}
  --json                  the plan, and what it does, as JSON

Paths:
${wrap(Object.keys(pathIdleLimits).join(', '), 76)
  .map((line) => `  ${line}\n`)
  .join('')}
Without --format: the options, and what they do.

Examples:
  tcp-keepalive plan 30s
  tcp-keepalive plan --detect 30s --path aws-nlb --format libpq
  tcp-keepalive plan --detect 2m --probes 5 --format kubernetes
`;

const optionTypes = {
  detect: 'string',
  path: 'string',
  probes: 'string',
  rto: 'string',
  from: 'string',
  icmp: 'boolean',
  connections: 'string',
  format: 'string',
  json: 'boolean',
} as const;

/** `tcp-keepalive plan` */
export const plan: Command = {
  help,
  run(args, io) {
    const given = parseArguments(args, optionTypes);
    const report = planned(given);
    if (given.has('json')) io.out(json(report));
    else io.out(report.configuration ?? described(io, report));
    return 0;
  },
};

interface Planned extends Report {
  readonly configuration: string | undefined;
}

function planned(given: ParsedArguments): Planned {
  const configuration = given.parsed('format', parseFormat);
  const detectWithin = deadlineOf(given);
  const pathIdleLimit = given.parsed('path', parsePath);
  const connections = given.parsed('connections', parseWhole);
  const rto = given.parsed('rto', parseTime);
  const options = planKeepAlive({
    detectWithin,
    pathIdleLimit,
    probes: given.parsed('probes', parseWhole),
    rto,
    from: given.parsed('from', parseMoment),
    icmp: given.has('icmp'),
  });
  return {
    ...reportOf('plan', options, { pathIdleLimit, connections }, { rto }),
    configuration: configuration?.(options, detectWithin),
  };
}

function parseMoment(flag: string, moment: string): 'write' | 'vanish' {
  if (moment === 'write' || moment === 'vanish') return moment;
  throw new UsageError(`Expected \`${flag}\` to be write or vanish, got \`${moment}\``);
}

/** The deadline, with or without its flag. */
function deadlineOf(given: ParsedArguments): number {
  const [first, second] = given.positionals;
  const flagged = given.parsed('detect', parseTime);
  const excess = flagged === undefined ? second : first;
  if (excess !== undefined) throw new UsageError(`Expected one time and options, got \`${excess}\``);
  if (flagged !== undefined) return flagged;
  if (first === undefined) throw new UsageError('Expected a time, such as plan 30s or plan --detect 30s');
  return parseTime('--detect', first);
}

function parseFormat(flag: string, name: string): Configuration {
  const configuration = Object.hasOwn(configurations, name) ? configurations[name] : undefined;
  if (configuration !== undefined) return configuration;
  const names = Object.keys(configurations);
  throw new UsageError(
    `Expected \`${flag}\` to be ${names.join(', ')}, got \`${name}\`${didYouMean(name, names)}`,
  );
}

function described(io: Io, { options, detection, packets, findings }: Report): string {
  const { idle, unacknowledged, survives } = detection;
  const { perHour, connections, perHourOfAll } = packets;
  const rows = [
    ...Object.entries(options)
      .filter(([name]) => name !== 'enable')
      .map(([name, value]) => [name, name === 'count' ? String(value) : exactTime(Number(value))]),
    ['', ''],
    ['idle', `dropped after ${formatTime(idle.earliest)} to ${formatTime(idle.latest)} of silence`],
    [
      'data in flight',
      `dropped after ${formatTime(unacknowledged.earliest)} to ${formatTime(unacknowledged.latest)} from the write`,
    ],
    [
      'survives',
      `an outage of ${formatTime(survives.idle)}; with data in flight, of ${formatTime(survives.unacknowledged)}`,
    ],
    ['packets', `${grouped(perHour)} an hour on an idle connection, a probe and its answer`],
    ['', `${grouped(perHourOfAll / 3_600)} a second on ${grouped(connections)} of them`],
  ];
  const lines = rows.map(([label = '', text = '']) => `${label.padEnd(INDENT - 1)} ${text}`.trimEnd());
  return `${[...lines, '', ...drawFindings(io, findings, width(io))].join('\n')}\n`;
}

import { didYouMean } from '../../options/fields.ts';
import { type Configuration, configurations } from '../../predict/configurations.ts';
import { pathIdleLimits } from '../../predict/paths.ts';
import { type KeepAlivePlan, planKeepAlive } from '../../predict/plan.ts';
import { type Detection, predictDetection } from '../../predict/predict.ts';
import {
  type Command,
  json,
  type ParsedArguments,
  parseArguments,
  parseWhole,
  UsageError,
} from '../command.ts';
import { grouped, wrap } from '../text.ts';
import { exactTime, formatTime, parseTime } from '../values.ts';
import { parsePathOption, traffic } from './explain.ts';

const help = `tcp-keepalive plan: the gentlest options that notice a vanished peer in time

Usage: tcp-keepalive plan --detect <time> [options]

  --detect <time>         notice it within this time: 30s, 1m30s, 500ms, or
                          bare milliseconds
  --path <name|time>      what lies between the two ends, or after how much
                          silence it forgets a connection
  --probes <number>       unanswered probes before a drop, in every timing (3)
  --rto <time>            the retransmission timeout (of a peer nearby)
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
  tcp-keepalive plan --detect 30s
  tcp-keepalive plan --detect 30s --path aws-nlb --format libpq
  tcp-keepalive plan --detect 2m --probes 5 --format kubernetes
`;

const optionTypes = {
  detect: 'string',
  path: 'string',
  probes: 'string',
  rto: 'string',
  connections: 'string',
  format: 'string',
  json: 'boolean',
} as const;

/** `tcp-keepalive plan` */
export const plan: Command = {
  summary: 'the gentlest options for a deadline, as code or configuration',
  help,
  run(args, io) {
    const parsed = parseArguments(args, optionTypes);
    if (parsed.positionals[0] !== undefined) {
      throw new UsageError(`Expected options such as --detect 30s, got \`${parsed.positionals[0]}\``);
    }
    const configuration = configurationOf(parsed.value('format'));
    const detectWithin = detectOf(parsed);
    const options = planKeepAlive({ detectWithin, ...wishesOf(parsed) });
    const report: Report = {
      options,
      detection: predictDetection(options, { rto: wishesOf(parsed).rto }),
      connections: parseWhole('--connections', parsed.value('connections') ?? '10000'),
      configuration: configuration?.(options, detectWithin),
    };
    if (parsed.has('json')) io.out(json(asJson(report)));
    else io.out(report.configuration ?? described(report));
    return 0;
  },
};

interface Report {
  readonly options: KeepAlivePlan;
  readonly detection: Detection;
  readonly connections: number;
  readonly configuration: string | undefined;
}

function configurationOf(name: string | undefined): Configuration | undefined {
  if (name === undefined) return undefined;
  const configuration = Object.hasOwn(configurations, name) ? configurations[name] : undefined;
  if (configuration !== undefined) return configuration;
  const names = Object.keys(configurations);
  throw new UsageError(
    `Expected \`--format\` to be ${names.join(', ')}, got \`${name}\`${didYouMean(name, names)}`,
  );
}

function detectOf(parsed: ParsedArguments): number {
  const text = parsed.value('detect');
  if (text === undefined) throw new UsageError('Expected --detect <time>, such as --detect 30s');
  return parseTime('--detect', text);
}

function wishesOf(parsed: ParsedArguments) {
  const probes = parsed.value('probes');
  const rto = parsed.value('rto');
  return {
    pathIdleLimit: parsePathOption(parsed.value('path')),
    probes: probes === undefined ? undefined : parseWhole('--probes', probes),
    rto: rto === undefined ? undefined : parseTime('--rto', rto),
  };
}

function asJson({ options, detection, connections, configuration }: Report): object {
  const { perHour } = traffic(options);
  return {
    options,
    detection: { probes: detection.probes, idle: detection.idle, unacknowledged: detection.unacknowledged },
    packets: { perHour, connections, perHourOfAll: perHour * connections },
    configuration,
  };
}

function described({ options, detection, connections }: Report): string {
  const { idle, unacknowledged } = detection;
  const { perHour } = traffic(options);
  const rows = [
    ['initialDelay', exactTime(options.initialDelay)],
    ['interval', exactTime(options.interval)],
    ['count', String(options.count)],
    ['userTimeout', exactTime(options.userTimeout)],
    ['', ''],
    ['idle', `dropped after ${formatTime(idle.earliest)} to ${formatTime(idle.latest)}`],
    [
      'data in flight',
      `dropped after ${formatTime(unacknowledged.earliest)} to ${formatTime(unacknowledged.latest)}`,
    ],
    ['packets', `${grouped(perHour)} an hour on an idle connection, a probe and its answer`],
    ['', `${grouped((perHour * connections) / 3_600)} a second on ${grouped(connections)} of them`],
  ];
  return rows
    .map(([label = '', text = '']) => `${label.padEnd(16)}${text}`.trimEnd())
    .join('\n')
    .concat('\n');
}

import { didYouMean } from '../../options/fields.ts';
import type { KeepAliveInput, KeepAliveOptions, KeepAliveSettings } from '../../options/options.ts';
import { parseKeepAliveOptions } from '../../options/parse.ts';
import { presets } from '../../options/presets.ts';
import { type PathName, pathIdleLimits } from '../../predict/paths.ts';
import {
  type Detection,
  type DetectionWindow,
  predictDetection,
  probePeriod,
} from '../../predict/predict.ts';
import { type Finding, type ReviewContext, reviewKeepAlive } from '../../predict/review.ts';
import {
  type Command,
  type Io,
  json,
  type ParsedArguments,
  parseArguments,
  parseWhole,
  UsageError,
} from '../command.ts';
import { grouped, labelled, paint, width } from '../text.ts';
import { drawLine, drawRuler, type Scale } from '../timeline.ts';
import { exactTime, formatTime, parseTime } from '../values.ts';

const help = `tcp-keepalive explain: what Linux does with these options when a peer vanishes

Usage: tcp-keepalive explain <preset> [<option>=<value> ...] [--json]
       tcp-keepalive explain <option>=<value> ... [--json]

Presets: ${Object.keys(presets).join(', ')}
Options: initialDelay, interval, userTimeout (a time, or userTimeout=auto),
         count (a number), enable (true or false)
Times:   30s, 1m30s, 500ms, or bare milliseconds

  --path <name|time>        what lies between the two ends, or after how much
                            silence it forgets a connection: aws-nlb, 350s, ...
  --connections <number>    how many connections have these options; without it
                            findings are those of one, and packets are told for
                            10000
  --acquire-timeout <time>  how long callers wait for a connection of the pool
  --round-trip <time>       the longest round trip to expect
  --json                    prediction and findings as JSON, where null is never

Exit code 1 where a finding is a warning or an error.

Examples:
  tcp-keepalive explain database
  tcp-keepalive explain initialDelay=60s interval=10s count=3
  tcp-keepalive explain database count=5 userTimeout=auto --path aws-nlb
`;

const optionTypes = {
  path: 'string',
  connections: 'string',
  'acquire-timeout': 'string',
  'round-trip': 'string',
  json: 'boolean',
} as const;

/** `tcp-keepalive explain` */
export const explain: Command = {
  summary: 'what options do when a peer vanishes, drawn as a time line',
  help,
  run(args, io) {
    const parsed = parseArguments(args, optionTypes);
    const { name, input } = optionsOf(parsed.positionals);
    const context = contextOf(parsed);
    const settings = parseKeepAliveOptions(input);
    const findings = reviewKeepAlive(settings, context);
    const report: Report = {
      name,
      settings,
      connections: context.connections ?? 10_000,
      detection: { ...predictDetection(settings), connecting: predictDetection({}).connecting },
      findings,
    };
    io.out(parsed.has('json') ? json(asJson(report)) : draw(io, report));
    return findings.some(({ severity }) => severity !== 'note') ? 1 : 0;
  },
};

interface Report {
  readonly name: string;
  readonly settings: KeepAliveSettings;
  readonly connections: number;
  /** With what becomes of a connection attempt, which the options do not touch. */
  readonly detection: Detection;
  readonly findings: readonly Finding[];
}

function optionsOf(words: readonly string[]): { name: string; input: KeepAliveInput } {
  const [first, ...others] = words;
  if (first === undefined) {
    throw new UsageError(
      `Expected a preset (${Object.keys(presets).join(', ')}) or options such as initialDelay=60s`,
    );
  }
  if (first.includes('=')) return { name: 'options', input: fieldsOf(words) };
  if (!Object.hasOwn(presets, first)) throw unknownPreset(first);
  const preset = presets[first as keyof typeof presets];
  return { name: first, input: { ...preset, ...fieldsOf(others) } };
}

function unknownPreset(name: string): Error {
  const names = Object.keys(presets);
  return new UsageError(
    `Expected a preset (${names.join(', ')}) or <option>=<value>, got \`${name}\`${didYouMean(name, names)}`,
  );
}

function fieldsOf(words: readonly string[]): KeepAliveOptions {
  return Object.fromEntries(words.map(fieldOf));
}

/** Reads `name=value`; which names there are, and which values they take, is checked with the options. */
function fieldOf(word: string): [string, unknown] {
  const [, name = '', text = ''] = /^([^=]+)=(.*)$/.exec(word) ?? [];
  if (name === '') {
    const hint = Object.hasOwn(presets, word) ? '; a preset comes first' : '';
    throw new UsageError(`Expected <option>=<value>, got \`${word}\`${hint}`);
  }
  if (name === 'enable') return [name, parseSwitch(text)];
  if (name === 'count') return [name, parseWhole(name, text)];
  if (name === 'userTimeout' && text === 'auto') return [name, text];
  return [name, parseTime(name, text)];
}

function parseSwitch(text: string): boolean {
  if (text === 'true' || text === 'false') return text === 'true';
  throw new UsageError(`Expected \`enable\` to be true or false, got \`${text}\``);
}

function contextOf(parsed: ParsedArguments): ReviewContext {
  const time = (name: string) => {
    const text = parsed.value(name);
    return text === undefined ? undefined : parseTime(`--${name}`, text);
  };
  const connections = parsed.value('connections');
  return {
    pathIdleLimit: parsePathOption(parsed.value('path')),
    acquireTimeout: time('acquire-timeout'),
    roundTrip: time('round-trip'),
    connections: connections === undefined ? undefined : parseWhole('--connections', connections),
  };
}

/** A path by its name, or a time. */
export function parsePathOption(text: string | undefined): PathName | number | undefined {
  if (text === undefined || Object.hasOwn(pathIdleLimits, text)) return text as PathName | undefined;
  if (/^\d/.test(text)) return parseTime('--path', text);
  const names = Object.keys(pathIdleLimits);
  throw new UsageError(
    `Expected \`--path\` to be a time or one of ${names.join(', ')}, got \`${text}\`${didYouMean(text, names)}`,
  );
}

/** Probes and answers of idle connections, in packets: each probe is answered once. */
export function traffic(settings: KeepAliveSettings): { perHour: number } {
  return { perHour: (2 * 3_600_000) / probePeriod(settings) };
}

function asJson({ name, settings, connections, detection, findings }: Report): object {
  const { perHour } = traffic(settings);
  return {
    name,
    options: settings,
    detection,
    packets: { perHour, connections, perHourOfAll: perHour * connections },
    findings,
  };
}

/** Where the lines of a state begin. */
const INDENT = 16;

function draw(io: Io, report: Report): string {
  const { detection } = report;
  const columns = width(io);
  const scale = { end: endOf(detection), columns: columns - INDENT };
  const [times, ticks] = drawRuler(scale);
  return `${[
    heading(io, report, columns),
    `${' '.repeat(INDENT)}${legend(io)}`,
    '',
    `${' '.repeat(INDENT)}${paint(io, 'dim', times)}`,
    `${' '.repeat(INDENT)}${paint(io, 'dim', ticks)}`,
    ...states(report).map((state) => drawState(io, state, scale)),
    drawTraffic(io, report, columns),
    '',
    ...drawFindings(io, report.findings, columns),
  ].join('\n')}\n`;
}

function heading(io: Io, { name, settings }: Report, columns: number): string {
  const fields = Object.entries(settings)
    .filter(([field, value], _, all) => field !== 'enable' || value === false || all.length === 1)
    .map(
      ([field, value]) =>
        `${field}=${typeof value === 'number' && field !== 'count' ? exactTime(value) : value}`,
    );
  const indent = name.length + 2;
  return labelled(`${paint(io, 'bold', name)}  `, fields.join(' '), indent, columns);
}

function legend(io: Io): string {
  const signs = [paint(io, 'cyan', '●'), paint(io, 'red', '✖'), paint(io, 'yellow', '▒')];
  return `${signs[0]} probe   ${signs[1]} dropped   ${signs[2]} if timers are late`;
}

/** The ruler ends with the drop of an idle connection; what takes much longer leaves it. */
function endOf({ idle, unacknowledged, zeroWindow }: Detection): number {
  const drops = [unacknowledged, zeroWindow].map(({ latest }) => latest).filter(Number.isFinite);
  if (idle.latest === Infinity) return Math.max(...drops);
  return Math.max(idle.latest, ...drops.filter((latest) => latest <= 2 * idle.latest));
}

/** One state of a connection: its name, its line, and what is to be said of it. */
interface State {
  readonly label: string;
  readonly body: string;
  readonly probes: readonly DetectionWindow[];
  readonly drop: DetectionWindow;
  readonly text: string;
}

function states({ detection, settings }: Report): State[] {
  const { probes, idle, unacknowledged, zeroWindow, connecting } = detection;
  const bounded = (settings.userTimeout ?? 0) > 0;
  return [
    {
      label: 'idle',
      body: '─',
      probes,
      drop: idle,
      text:
        idle.nominal === Infinity
          ? 'no probes: never noticed'
          : `${probed(probes.length)}, dropped after ${shownWindow(idle)}`,
    },
    {
      label: 'data in flight',
      body: '━',
      probes: [],
      drop: unacknowledged,
      text: bounded
        ? `retransmitted, dropped after ${shownWindow(unacknowledged)}`
        : `retransmitted, no probes; given up by tcp_retries2 after ${shownWindow(unacknowledged)}`,
    },
    {
      label: 'zero window',
      body: '━',
      probes: [],
      drop: zeroWindow,
      text: bounded
        ? `the peer answers but does not read: dropped after ${shownWindow(zeroWindow)}`
        : 'the peer answers but does not read: kept for ever',
    },
    {
      label: 'connecting',
      body: '━',
      probes: [],
      drop: connecting,
      text:
        `not bounded here: ${shownWindow(connecting)}. The options are set at 'connect', after that. ` +
        "Use the driver's own: connectionTimeoutMillis (pg), connectTimeout (mysql2, ioredis), " +
        'handshakeTimeout (ws), connect.timeout (undici)',
    },
  ];
}

function probed(probes: number): string {
  return probes === 1 ? '1 probe unanswered' : `${probes} probes unanswered`;
}

function shownWindow({ earliest, nominal, latest }: DetectionWindow): string {
  const [from, due, to] = [formatTime(earliest), formatTime(nominal), formatTime(latest)];
  return from === due ? `${from} to ${to}` : `${due} (${from} to ${to})`;
}

function drawState(io: Io, state: State, scale: Scale): string {
  const label = paint(io, 'bold', state.label) + ' '.repeat(INDENT - state.label.length);
  const text = labelled(' '.repeat(INDENT), state.text, INDENT, INDENT + scale.columns);
  return `${label}${drawLine(io, state, scale)}\n${text}\n`;
}

function drawTraffic(io: Io, { settings, connections }: Report, columns: number): string {
  const { perHour } = traffic(settings);
  const all = perHour * connections;
  const text =
    perHour === 0
      ? 'an idle connection sends nothing'
      : `an idle connection: ${grouped(perHour)} an hour (a probe and its answer each ${formatTime(7_200_000 / perHour)}); ` +
        `${grouped(connections)} connections: ${grouped(all)} an hour, ${grouped(all / 3_600)} a second`;
  return labelled(
    paint(io, 'bold', 'packets') + ' '.repeat(INDENT - 'packets'.length),
    text,
    INDENT,
    columns,
  );
}

const severityStyles = { error: 'red', warning: 'yellow', note: 'dim' } as const;

function drawFindings(io: Io, findings: readonly Finding[], columns: number): string[] {
  return findings.map(({ severity, code, message }) => {
    const label = paint(io, severityStyles[severity], severity) + ' '.repeat(INDENT - severity.length);
    return labelled(label, `${code}: ${message}`, INDENT, columns);
  });
}

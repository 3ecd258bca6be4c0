import type { KeepAliveInput } from '../../../options/options.ts';
import { parseKeepAliveOptions } from '../../../options/parse.ts';
import { presets } from '../../../options/presets.ts';
import { parsePercent, parseTime, parseWhole, parseWords } from '../../../options/words.ts';
import { drawReport } from '../../../predict/drawing.ts';
import { parsePath } from '../../../predict/paths.ts';
import { type Report, reportOf } from '../../../predict/report.ts';
import type { ReviewContext } from '../../../predict/review.ts';
import { rtoOfRoundTrip } from '../../../predict/system.ts';
import { type Command, type Io, type ParsedArguments, parseArguments } from '../../command.ts';
import { json } from '../../text.ts';
import { UsageError } from '../../usage-error.ts';
import { draw } from './drawing.ts';

const help = `tcp-keepalive explain: what Linux does with these options when a peer vanishes

Usage: tcp-keepalive explain <preset> [<option>=<value> ...] [options]
       tcp-keepalive explain <option>=<value> ... [options]

Presets: ${Object.keys(presets).join(', ')}
Options: initialDelay, interval, userTimeout, maxRetransmitInterval (a time; the
         last two also auto), count (a number), enable and failOnUnreachable
         (true or false)
Times:   30s, 1m30s, 500ms, or bare milliseconds

  --path <name|time>        what lies between the two ends, or after how much
                            silence it forgets a connection: aws-nlb, 350s;
                            payload:30s if TCP probes do not count, as behind
                            a proxy
  --connections <number>    how many connections have these options; without it
                            findings are those of one, and packets those of
                            10000
  --acquire-timeout <time>  how long callers wait for a connection of the pool
  --round-trip <time>       the longest round trip to expect
  --rto <time>              the retransmission timeout; without it one that
                            fits the round trip, or that of a peer nearby
  --loss <percent>          how much of what is sent is lost, each way: 5%
  --svg                     the time line as a picture
  --json                    prediction and findings as JSON, where null is never

Exit code 1 if a finding is a warning or an error.

Examples:
  tcp-keepalive explain database
  tcp-keepalive explain initialDelay=60s interval=10s count=3
  tcp-keepalive explain database count=5 userTimeout=auto --path aws-nlb
  tcp-keepalive explain database --svg
`;

const optionTypes = {
  path: 'string',
  connections: 'string',
  'acquire-timeout': 'string',
  'round-trip': 'string',
  rto: 'string',
  loss: 'string',
  svg: 'boolean',
  json: 'boolean',
} as const;

/** `tcp-keepalive explain` */
export const explain: Command = {
  help,
  run(args, io) {
    const given = parseArguments(args, optionTypes);
    const { name, input } = optionsOf(given.positionals);
    const context = contextOf(given);
    const settings = parseKeepAliveOptions(input);
    const report = reportOf(name, settings, context, { rto: rtoFor(given, context) });
    io.out(shown(given, report, context, io));
    return report.findings.some(({ severity }) => severity !== 'note') ? 1 : 0;
  },
};

function shown(given: ParsedArguments, report: Report, context: ReviewContext, io: Io): string {
  if (given.has('json') && given.has('svg')) throw new UsageError('Expected `--json` or `--svg`, got both');
  if (given.has('json')) return json(report);
  return given.has('svg') ? drawReport(report, { path: context.pathIdleLimit }) : draw(io, report);
}

function rtoFor(given: ParsedArguments, { roundTrip }: ReviewContext): number | undefined {
  return given.parsed('rto', parseTime) ?? (roundTrip ? rtoOfRoundTrip(roundTrip) : undefined);
}

function optionsOf(words: readonly string[]): { name: string; input: KeepAliveInput } {
  const [first] = words;
  if (first === undefined) {
    throw new UsageError(
      `Expected a preset (${Object.keys(presets).join(', ')}) or options such as initialDelay=60s`,
    );
  }
  return { name: first.includes('=') ? 'options' : first, input: parseWords(words) };
}

function contextOf(given: ParsedArguments): ReviewContext {
  return {
    pathIdleLimit: given.parsed('path', parsePath),
    acquireTimeout: given.parsed('acquire-timeout', parseTime),
    roundTrip: given.parsed('round-trip', parseTime),
    connections: given.parsed('connections', parseWhole),
    loss: given.parsed('loss', parsePercent),
  };
}

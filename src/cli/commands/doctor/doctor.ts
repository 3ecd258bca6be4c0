import { type Command, type Io, parseArguments } from '../../command.ts';
import { json, labelled, paint, width } from '../../text.ts';
import { UsageError } from '../../usage-error.ts';
import { type Diagnosis, examine } from './diagnoses.ts';

const help = `tcp-keepalive doctor: what works on this machine, and what its sockets have

Usage: tcp-keepalive doctor [--strict] [--json]

Looks at the runtime, the platform's table of options, koffi, the system's own
defaults, at what Node leaves on the sockets of a connection that it opens on
the loopback interface, and at the rules of this environment, whose options it
reviews. Each is ok, a warning or a fail, with what to do.

  --strict  exit code 1 also if there is a warning
  --json    ok, unit and diagnoses: each with its status and values; ok if there
            is no warning and no fail

Exit code 1 if something fails.

Examples:
  tcp-keepalive doctor
  tcp-keepalive doctor --json
`;

/** `tcp-keepalive doctor` */
export const doctor: Command = {
  help,
  async run(args, io) {
    const given = parseArguments(args, { json: 'boolean', strict: 'boolean' });
    if (given.positionals[0] !== undefined) {
      throw new UsageError(`Expected no argument, got \`${given.positionals[0]}\``);
    }
    const diagnoses = await examine();
    const warnings = countOf(diagnoses, 'warning');
    const fails = countOf(diagnoses, 'fail');
    const ok = warnings + fails === 0;
    if (given.has('json')) io.out(json({ ok, unit: 'milliseconds', diagnoses }));
    else io.out(`${draw(io, diagnoses)}\n${ok ? 'All is well.' : verdict(warnings, fails)}\n`);
    return fails > 0 || (given.has('strict') && !ok) ? 1 : 0;
  },
};

function countOf(diagnoses: readonly Diagnosis[], wanted: Diagnosis['status']): number {
  return diagnoses.filter(({ status }) => status === wanted).length;
}

function verdict(warnings: number, fails: number): string {
  const counts = [
    [fails, 'fail'],
    [warnings, 'warning'],
  ] as const;
  const told = counts.filter(([count]) => count > 0);
  return `${told.map(([count, what]) => `${count} ${what}${count === 1 ? '' : 's'}`).join(', ')}.`;
}

/** The column at which messages begin. */
const INDENT = 9;

const statusStyles = { ok: 'green', warning: 'yellow', fail: 'red' } as const;

function draw(io: Io, diagnoses: readonly Diagnosis[]): string {
  return diagnoses.map((diagnosis) => `${drawDiagnosis(io, diagnosis)}\n`).join('');
}

function drawDiagnosis(io: Io, { subject, status, message, advice }: Diagnosis): string {
  const columns = width(io);
  const label = paint(io, statusStyles[status], status.padEnd(INDENT));
  const lines = labelled(label, `${subject}: ${message}`, INDENT, columns).replace(
    subject,
    paint(io, 'bold', subject),
  );
  return advice === undefined
    ? lines
    : `${lines}\n${labelled(' '.repeat(INDENT), `> ${advice}`, INDENT, columns)}`;
}

import { type Command, type Io, parseArguments } from '../../command.ts';
import { json, labelled, paint, width } from '../../text.ts';
import { UsageError } from '../../usage-error.ts';
import { type Diagnosis, examine } from './diagnoses.ts';

const help = `tcp-keepalive doctor: what works on this machine, and what its sockets have

Usage: tcp-keepalive doctor [--json]

Looks at the runtime, the platform's table of options, koffi, the system's own
defaults, and at what Node leaves on the sockets of a connection that it opens
on the loopback interface. Each is ok, a warning or a fail, with what to do.

Exit code 1 if something fails.

Examples:
  tcp-keepalive doctor
  tcp-keepalive doctor --json
`;

/** `tcp-keepalive doctor` */
export const doctor: Command = {
  summary: 'this machine, this runtime, and what its sockets have',
  help,
  async run(args, io) {
    const given = parseArguments(args, { json: 'boolean' });
    if (given.positionals[0] !== undefined) {
      throw new UsageError(`Expected no argument, got \`${given.positionals[0]}\``);
    }
    const diagnoses = await examine();
    io.out(given.has('json') ? json(diagnoses) : draw(io, diagnoses));
    return diagnoses.some(({ status }) => status === 'fail') ? 1 : 0;
  },
};

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

import { printable } from '../options/errors.ts';
import { didYouMean } from '../options/fields.ts';
import { type Command, type Io, UsageError } from './command.ts';
import { doctor } from './commands/doctor.ts';
import { explain } from './commands/explain.ts';
import { plan } from './commands/plan.ts';
import { presets } from './commands/presets.ts';
import { runProgram } from './commands/run.ts';

/** Every command, by the name under which it is typed. */
const commands: Readonly<Record<string, Command>> = { explain, plan, doctor, presets, run: runProgram };

/**
 * Runs the command line and gives its exit code: 0, 1 where something was found, 2 where something
 * was typed wrong.
 */
export async function run(args: readonly string[], io: Io): Promise<number> {
  try {
    return await dispatch(args, io);
  } catch (error) {
    if (!isUsageError(error)) throw error;
    io.err(`tcp-keepalive: ${printable(inFlags(error.message))}\n`);
    return 2;
  }
}

async function dispatch([name, ...args]: readonly string[], io: Io): Promise<number> {
  if (name === undefined) {
    io.err(overview());
    return 2;
  }
  if (name === '--help' || name === '-h' || name === 'help') {
    io.out(overview());
    return 0;
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command === undefined) {
    const names = Object.keys(commands);
    throw new UsageError(
      `Expected a command (${names.join(', ')}), got \`${name}\`${didYouMean(name, names)}`,
    );
  }
  // What comes after -- is a program's own.
  const ours = args.includes('--') ? args.slice(0, args.indexOf('--')) : args;
  if (ours.includes('--help') || ours.includes('-h')) {
    io.out(command.help);
    return 0;
  }
  return command.run(args, io);
}

/** Options that the library's functions call otherwise. */
const flags: Readonly<Record<string, string>> = {
  detectWithin: '--detect',
  pathIdleLimit: '--path',
  acquireTimeout: '--acquire-timeout',
  roundTrip: '--round-trip',
  connections: '--connections',
  probes: '--probes',
  rto: '--rto',
};

/** A message of the library's in the words that were typed. */
function inFlags(message: string): string {
  return message.replace(/`(\w+)`/g, (quoted, name) =>
    Object.hasOwn(flags, name) ? `\`${flags[name]}\`` : quoted,
  );
}

function overview(): string {
  const list = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(10)} ${summary}`);
  return `tcp-keepalive: know when a vanished TCP peer is noticed

Usage: tcp-keepalive <command> [options]

${list.join('\n')}

  tcp-keepalive <command> --help    what it takes, with examples
  --json                            the result as JSON, with all but run

Exit code: 0, 1 where something was found, 2 where something was typed wrong.
`;
}

/** What the user can put right by typing something else: an error of this folder, or of an option's check. */
function isUsageError(error: unknown): error is Error {
  if (error instanceof UsageError) return true;
  return (error as { code?: unknown } | null)?.code === 'ERR_KEEPALIVE_INVALID_OPTION';
}

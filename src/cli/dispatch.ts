import { didYouMean } from '../options/show.ts';
import type { Command, Io } from './command.ts';
import { check } from './commands/check.ts';
import { doctor } from './commands/doctor/doctor.ts';
import { env } from './commands/env.ts';
import { explain } from './commands/explain/explain.ts';
import { plan } from './commands/plan.ts';
import { presets } from './commands/presets.ts';
import { runProgram } from './commands/run.ts';
import { UsageError, usageLine } from './usage-error.ts';

/** Every command, by the name under which it is typed. */
const commands: Readonly<Record<string, Command>> = {
  explain,
  plan,
  doctor,
  presets,
  check,
  run: runProgram,
  env,
};

/**
 * Runs the command line and returns its exit code: 0, 1 if something was found, 2 if something was
 * typed wrong.
 */
export async function run(args: readonly string[], io: Io): Promise<number> {
  try {
    return await dispatch(args, io);
  } catch (error) {
    const line = usageLine(error);
    if (line === undefined) throw error;
    io.err(line);
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
  const command = commandOf(name);
  // The arguments after -- are those of a program, also its --help.
  const ours = args.includes('--') ? args.slice(0, args.indexOf('--')) : args;
  if (ours.includes('--help') || ours.includes('-h')) {
    io.out(command.help);
    return 0;
  }
  return command.run(args, io);
}

function commandOf(name: string): Command {
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command !== undefined) return command;
  const names = Object.keys(commands);
  throw new UsageError(`Expected a command (${names.join(', ')}), got \`${name}\`${didYouMean(name, names)}`);
}

function overview(): string {
  const list = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(10)} ${summary}`);
  return `tcp-keepalive: know when a vanished TCP peer is noticed

Usage: tcp-keepalive <command> [options]

${list.join('\n')}

  tcp-keepalive <command> --help    what it takes, with examples
  --json                            the result as JSON, with all but run and env

Exit code: 0, 1 if something was found, 2 if something was typed wrong.
`;
}

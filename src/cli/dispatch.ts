import { createRequire } from 'node:module';
import { didYouMean } from '../options/show.ts';
import type { Command, Io } from './command.ts';
import { UsageError } from './usage-error.ts';
import { usageLine } from './usage-line.ts';

/** A command in the list: one line about it, and its file, which is loaded when it is called. */
interface Listed {
  readonly summary: string;
  load(): Promise<Command>;
}

/** Every command, by the name under which it is typed. */
const commands: Readonly<Record<string, Listed>> = {
  explain: {
    summary: 'what options do when a peer vanishes, drawn as a time line',
    load: async () => (await import('./commands/explain/explain.ts')).explain,
  },
  plan: {
    summary: 'the gentlest options for a deadline, as code or configuration',
    load: async () => (await import('./commands/plan.ts')).plan,
  },
  doctor: {
    summary: 'this machine, this runtime, and what its sockets have',
    load: async () => (await import('./commands/doctor/doctor.ts')).doctor,
  },
  presets: {
    summary: 'the named sets of options, as a table',
    load: async () => (await import('./commands/presets.ts')).presets,
  },
  sockets: {
    summary: "this machine's TCP connections, and when each would be lost",
    load: async () => (await import('./commands/sockets/sockets.ts')).sockets,
  },
  apply: {
    summary: 'options on the open connections of a running program',
    load: async () => (await import('./commands/apply/apply.ts')).apply,
  },
  drill: {
    summary: 'let the peer of a running program vanish, and see what it does',
    load: async () => (await import('./commands/drill/drill.ts')).drill,
  },
  exporter: {
    summary: 'the same as metrics for Prometheus',
    load: async () => (await import('./commands/exporter/exporter.ts')).exporter,
  },
  check: {
    summary: 'which rule matches which connection, with its options',
    load: async () => (await import('./commands/check.ts')).check,
  },
  run: {
    summary: 'a program under rules, without touching its code',
    load: async () => (await import('./commands/run.ts')).runProgram,
  },
  env: {
    summary: 'the environment that puts every Node program under rules',
    load: async () => (await import('./commands/env.ts')).env,
  },
};

/**
 * Runs the command line and returns its exit code: 0, 1 if something was found, 2 if something was
 * typed wrong.
 */
export async function run(args: readonly string[], io: Io): Promise<number> {
  try {
    return await dispatch(args, io);
  } catch (error) {
    const [name = ''] = args;
    const line = usageLine(error, Object.hasOwn(commands, name) ? name : undefined);
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
  if (name === '--version' || name === '-v' || name === 'version') {
    io.out(`${version()}\n`);
    return 0;
  }
  if (name === '--help' || name === '-h' || name === 'help') {
    const [about] = args;
    io.out(about === undefined ? overview() : (await commandOf(about).load()).help);
    return 0;
  }
  const command = await commandOf(name).load();
  // The arguments after -- are those of a program, also its --help.
  const ours = args.includes('--') ? args.slice(0, args.indexOf('--')) : args;
  if (ours.includes('--help') || ours.includes('-h')) {
    io.out(command.help);
    return 0;
  }
  return command.run(args, io);
}

function version(): string {
  const packageFile = createRequire(import.meta.url)('tcp-keepalive/package.json') as { version: string };
  return packageFile.version;
}

function commandOf(name: string): Listed {
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

  tcp-keepalive <command> --help    its options; also: help <command>
  tcp-keepalive --version           the version of this package
  --json                            the result as JSON, with all but run, env, exporter

Exit code: 0, 1 if something was found, 2 if something was typed wrong.
`;
}

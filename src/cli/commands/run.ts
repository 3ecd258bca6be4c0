import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { basename, resolve } from 'node:path';
import { isatty } from 'node:tty';
import { parseArgs } from 'node:util';
import { printable, quoted } from '../../options/show.ts';
import { rulesOfEnvironment } from '../../rules/environment.ts';
import { compileRules } from '../../rules/rule.ts';
import { parseRuleText } from '../../rules/text.ts';
import { type Command, type Io, type ParsedArguments, parseArguments } from '../command.ts';
import { nodeOptions } from '../node-options.ts';
import { UsageError } from '../usage-error.ts';

const help = `tcp-keepalive run: run a Node program under rules, without touching its code

Usage: tcp-keepalive run [--rules '<rules>'] [--config <file>] --
                         <program> [<argument> ...]

  --rules <rules>   target=use, separated by semicolons; the first that matches
                    counts. A target is a port, a range of ports, a host (a
                    name, an address, a CIDR block) with or without :port, or *
                    for what the program connects to; listen: and a port, a
                    range or * for what it accepts. use is a preset, or off.
  --config <file>   a JSON file of rules; asked after --rules

The program, and every Node program that it starts, has NODE_OPTIONS and
TCP_KEEPALIVE in its environment. TCP_KEEPALIVE_DEBUG=1 prints a line for each
connection. Signals are passed on to it. The exit code is the program's own;
127 if it is not found, 126 if it cannot be run.

Examples:
  tcp-keepalive run --rules '5432=database; *=loadBalancer' -- node app.js
  tcp-keepalive run --rules '10.0.0.0/8:6379=fastFailover' -- npm start
  tcp-keepalive run --rules 'listen:8080=websocket' -- node server.js
`;

/** `tcp-keepalive run` */
export const runProgram: Command = {
  help,
  run(args, io) {
    const [ours, [program, ...programArgs]] = splitAtProgram(args);
    const variables = ruleVariables(parseArguments(ours, optionTypes));
    if (program === undefined) throw new UsageError('Expected a program after --, such as -- node app.js');
    const deaf = ignoresNodeOptions(program);
    if (deaf !== undefined) io.err(`tcp-keepalive: ${deaf}\n`);
    return runToEnd(io, program, programArgs, variables);
  },
};

const optionTypes = { rules: 'string', config: 'string' } as const;

/** The environment variables with the rules, which are checked first. */
function ruleVariables(given: ParsedArguments): Record<string, string> {
  const [rules, config] = [given.value('rules'), given.value('config')];
  if (rules === undefined && config === undefined) {
    throw new UsageError("Expected --rules, such as --rules '5432=database', or --config <file>");
  }
  const variables = {
    ...(rules !== undefined && { TCP_KEEPALIVE: rules }),
    ...(config !== undefined && { TCP_KEEPALIVE_CONFIG: resolve(config) }),
  };
  if (rules !== undefined) compileRules(parseRuleText(rules, '--rules').rules);
  if (config !== undefined) rulesOfEnvironment({ TCP_KEEPALIVE_CONFIG: config });
  return variables;
}

/** Splits the arguments at the program's name: it and all after it are the program's, even without `--`. */
function splitAtProgram(args: readonly string[]): [ours: readonly string[], program: readonly string[]] {
  const { tokens } = parseArgs({
    args: [...args],
    options: { rules: { type: 'string' }, config: { type: 'string' } },
    strict: false,
    tokens: true,
  });
  const begin = tokens.find(({ kind }) => kind === 'positional')?.index ?? args.length;
  return [args.slice(0, begin), args.slice(begin)];
}

/** Advice for a runtime that ignores `NODE_OPTIONS`, and so would run without the rules. */
function ignoresNodeOptions(program: string): string | undefined {
  return /^bunx?(\.exe)?$/.test(basename(program))
    ? 'bun ignores NODE_OPTIONS, so the rules do not reach it: run bun --preload tcp-keepalive/register, with TCP_KEEPALIVE set'
    : undefined;
}

async function runToEnd(
  io: Io,
  program: string,
  args: readonly string[],
  variables: Record<string, string>,
): Promise<number> {
  const env = { ...process.env, ...variables, NODE_OPTIONS: nodeOptions() };
  try {
    // spawn() throws some errors, such as ENOTDIR, and emits others.
    return await exitCodeOf(spawn(program, args, { stdio: 'inherit', env }));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    io.err(`tcp-keepalive: Cannot run ${quoted(program)}: ${printable(message)}\n`);
    // As env(1) does.
    return code === 'ENOENT' ? 127 : 126;
  }
}

// These end or control a service. None may end this process before the program.
const handedOn = ['SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const;

// A terminal sends these to the program as well, and many programs end at once on a second one.
const fromTerminal: readonly NodeJS.Signals[] = ['SIGINT', 'SIGQUIT'];

async function exitCodeOf(child: ChildProcess): Promise<number> {
  // One of the three is enough, since the others may be redirected.
  const isInTerminal = [0, 1, 2].some(isatty);
  const handOn = (signal: NodeJS.Signals) => {
    if (!isInTerminal || !fromTerminal.includes(signal)) child.kill(signal);
  };
  for (const signal of handedOn) process.on(signal, handOn);
  try {
    const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
    return code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
  } finally {
    for (const signal of handedOn) process.off(signal, handOn);
  }
}

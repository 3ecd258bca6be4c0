import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { basename } from 'node:path';
import { isatty } from 'node:tty';
import { parseArgs } from 'node:util';
import { compileRules } from '../../rules/rule.ts';
import { parseRuleText } from '../../rules/text.ts';
import { type Command, parseArguments } from '../command.ts';
import { nodeOptions } from '../node-options.ts';
import { UsageError } from '../usage-error.ts';

const help = `tcp-keepalive run: run a Node program under rules, without touching its code

Usage: tcp-keepalive run --rules '<rules>' -- <program> [<argument> ...]

  --rules <rules>   target=use, separated by semicolons; the first that matches
                    counts. A target is a port, a range of ports, a host (a
                    name, an address, a CIDR block) with or without :port, or *
                    for what the program connects to; listen: and a port, a
                    range or * for what it accepts. use is a preset, or off.

The program, and every Node program that it starts, gets NODE_OPTIONS and
TCP_KEEPALIVE in its environment. TCP_KEEPALIVE_DEBUG=1 tells of each
connection. The exit code is the program's own, and signals are handed on to it.

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
    const rules = parseArguments(ours, { rules: 'string' }).value('rules');
    if (rules === undefined) throw new UsageError("Expected --rules, such as --rules '5432=database'");
    if (program === undefined) throw new UsageError('Expected a program after --, such as -- node app.js');
    compileRules(parseRuleText(rules, '--rules').rules);
    const deaf = ignoresNodeOptions(program);
    if (deaf !== undefined) io.err(`tcp-keepalive: ${deaf}\n`);
    return exitCodeOf(start(program, programArgs, rules));
  },
};

/** Splits the arguments at the program's name: it and all after it are the program's, even without `--`. */
function splitAtProgram(args: readonly string[]): [ours: readonly string[], program: readonly string[]] {
  const { tokens } = parseArgs({
    args: [...args],
    options: { rules: { type: 'string' } },
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

function start(program: string, args: readonly string[], rules: string): ChildProcess {
  const env = { ...process.env, TCP_KEEPALIVE: rules, NODE_OPTIONS: nodeOptions() };
  try {
    return spawn(program, args, { stdio: 'inherit', env });
  } catch (error) {
    // spawn() throws some errors, such as ENOTDIR, and emits others.
    throw notStarted(error);
  }
}

function notStarted(error: unknown): UsageError {
  return new UsageError(`Expected a program that can be run, got ${(error as Error).message}`);
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
  } catch (error) {
    throw notStarted(error);
  } finally {
    for (const signal of handedOn) process.off(signal, handOn);
  }
}

import { parseArgs } from 'node:util';
import { didYouMean } from '../options/show.ts';
import { UsageError } from './usage-error.ts';

/** The output of a command, and its limits. */
export interface Io {
  out(text: string): void;
  err(text: string): void;
  /** The longest line that fits. */
  readonly columns: number;
  /** Whether colour is wanted: on a terminal, unless `NO_COLOR` is set. */
  readonly color: boolean;
  /** Asks a question, and returns whether it was answered with yes. Absent if there is no terminal to ask on. */
  readonly ask?: ((question: string) => Promise<boolean>) | undefined;
  /** Whether the output is a terminal, on which anything can be drawn. */
  readonly isScreen: boolean;
  /** Aborted as soon as nobody reads the output any more. */
  readonly closed: AbortSignal;
}

/** One command of the command line. */
export interface Command {
  /** The output of `--help`: usage, a description, examples. */
  readonly help: string;
  /** Runs the command and returns its exit code: 0, or 1 if something was found. */
  run(args: readonly string[], io: Io): number | Promise<number>;
}

/** The options of a command: a `string` has a value, a `boolean` has none. */
export type OptionTypes = Readonly<Record<string, 'string' | 'boolean'>>;

export interface ParsedArguments {
  readonly positionals: readonly string[];
  /** Whether an option was given. */
  has(name: string): boolean;
  /** The value of an option, or `undefined` if it was not given. */
  value(name: string): string | undefined;
  /** The parsed value of an option, or `undefined` if it was not given. */
  parsed<T>(name: string, parse: (flag: string, text: string) => T): T | undefined;
}

/**
 * Reads the arguments of a command.
 *
 * @throws {@link UsageError} if the command lacks an option, or an option lacks a value or should have none.
 */
export function parseArguments(args: readonly string[], types: OptionTypes): ParsedArguments {
  const options = Object.fromEntries(Object.entries(types).map(([name, type]) => [name, { type }]));
  // Not strict, because the messages of strict parsing run over several lines.
  const parsed = parseArgs({ args: [...args], options, strict: false, allowPositionals: true, tokens: true });
  for (const token of parsed.tokens) {
    if (token.kind === 'option') checkOption(token.name, token.rawName, token.value, types);
  }
  const { positionals, values } = parsed;
  const textOf = (name: string) => {
    const value = values[name];
    return typeof value === 'string' ? value : undefined;
  };
  return {
    positionals,
    has: (name) => values[name] !== undefined,
    value: textOf,
    parsed(name, parse) {
      const text = textOf(name);
      return text === undefined ? undefined : parse(`--${name}`, text);
    },
  };
}

function checkOption(name: string, rawName: string, value: string | undefined, types: OptionTypes): void {
  const type = Object.hasOwn(types, name) ? types[name] : undefined;
  if (type === undefined) {
    const names = Object.keys(types).map((known) => `--${known}`);
    throw new UsageError(`Expected ${names.join(', ')}, got \`${rawName}\`${didYouMean(rawName, names)}`);
  }
  if (type === 'string' && value === undefined) throw new UsageError(`Expected a value after \`${rawName}\``);
  if (type === 'boolean' && value !== undefined) {
    throw new UsageError(`Expected \`${rawName}\` without a value, got \`${value}\``);
  }
}

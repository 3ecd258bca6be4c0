import { parseArgs } from 'node:util';
import { didYouMean } from '../options/fields.ts';

/** Where a command writes, and what may be written there. */
export interface Io {
  out(text: string): void;
  err(text: string): void;
  /** How wide lines may be. */
  readonly columns: number;
  /** Whether colour is wanted: on a terminal, unless `NO_COLOR` is set. */
  readonly color: boolean;
}

/** One command of the command line. */
export interface Command {
  /** One line, for the list of commands. */
  readonly summary: string;
  /** What `--help` prints: usage, what it does, examples. */
  readonly help: string;
  /** Does it, and gives the exit code: 0, or 1 where something was found. */
  run(args: readonly string[], io: Io): number | Promise<number>;
}

/** Something that was typed wrong: one line and exit code 2. */
export class UsageError extends Error {}

/** The options of a command: `string` takes a value, `boolean` does not. */
export type OptionTypes = Readonly<Record<string, 'string' | 'boolean'>>;

export interface ParsedArguments {
  readonly positionals: readonly string[];
  /** The value of an option, where it was given. */
  value(name: string): string | undefined;
  /** Whether an option was given. */
  has(name: string): boolean;
}

/**
 * Reads the arguments of a command.
 *
 * @throws {@link UsageError} for an option that the command does not have, lacks its value, or takes none.
 */
export function parseArguments(args: readonly string[], types: OptionTypes): ParsedArguments {
  const options = Object.fromEntries(Object.entries(types).map(([name, type]) => [name, { type }]));
  // Not strict, because the messages of strict parsing run over several lines.
  const parsed = parseArgs({ args: [...args], options, strict: false, allowPositionals: true, tokens: true });
  for (const token of parsed.tokens) {
    if (token.kind === 'option') checkOption(token.name, token.rawName, token.value, types);
  }
  const values = parsed.values;
  return {
    positionals: parsed.positionals,
    value: (name) => (typeof values[name] === 'string' ? values[name] : undefined),
    has: (name) => values[name] !== undefined,
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

/** A whole number that was typed. */
export function parseWhole(name: string, text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new UsageError(`Expected \`${name}\` to be a whole number, got \`${text}\``);
}

/** A result as `--json` prints it. JSON has no `Infinity`: never is `null`. */
export function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

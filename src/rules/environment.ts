import { readFileSync, statSync } from 'node:fs';
import { inContext, invalidOption } from '../options/errors.ts';
import { aBoolean, anything, otherwise, readFields } from '../options/fields.ts';
import { type RuleReaper, reapField } from './reap.ts';
import { type CompiledRule, compileRules } from './rule.ts';
import { parseRuleText } from './text.ts';

/** The environment variables that set rules. */
export interface RuleEnvironment {
  /** Rules as text, which come before those of the file. */
  readonly TCP_KEEPALIVE?: string | undefined;
  /** The path of a JSON file, `{ "rules": [...] }`, as `schema/rules.schema.json` describes it. */
  readonly TCP_KEEPALIVE_CONFIG?: string | undefined;
  /** `1`, `true`, `yes` or `on` prints a line for each connection. */
  readonly TCP_KEEPALIVE_DEBUG?: string | undefined;
}

/** Checked rules, whether all that they ask for has to be available, and what they ask of a reaper. */
export interface EnvironmentRules {
  readonly rules: readonly CompiledRule[];
  readonly strict: boolean;
  readonly reap: RuleReaper | undefined;
}

/**
 * The rules of the environment: none if neither variable is set.
 *
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`, in one line that says where the mistake is
 */
export function rulesOfEnvironment(environment: RuleEnvironment): EnvironmentRules {
  const { TCP_KEEPALIVE: text, TCP_KEEPALIVE_CONFIG: path } = environment;
  const written = parseRuleText(text ?? '', 'TCP_KEEPALIVE');
  const rules = compileRules(written.rules);
  if (!path) return { ...written, rules };
  const file = inContext(`TCP_KEEPALIVE_CONFIG=${path}`, () => readRuleFile(path));
  return {
    rules: [...rules, ...file.rules],
    strict: written.strict || file.strict,
    reap: written.reap ?? file.reap,
  };
}

const fileFields = {
  rules: compileRules,
  strict: otherwise(aBoolean, false),
  reap: reapField,
  $schema: anything,
};

function readRuleFile(path: string): EnvironmentRules {
  return readFields('an object { "rules": [...] }', parseJson(readText(path)), fileFields);
}

function readText(path: string): string {
  try {
    // A pipe would hold the start of the program until somebody writes to it.
    if (!statSync(path).isFile()) throw new Error('it is a directory, a pipe or a device');
    // Some editors begin a file with the mark of its encoding.
    return readFileSync(path, 'utf8').replace(/^\ufeff/, '');
  } catch (error) {
    throw invalidOption(`Cannot read the rules: ${(error as Error).message}`, TypeError, error);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const { message } = error as Error;
    throw invalidOption(`Cannot parse JSON: ${oneLine(message)}${place(text, message)}`, TypeError, error);
  }
}

function oneLine(message: string): string {
  return message.replace(/\s+/g, ' ');
}

/** The line and column of a mistake, for versions of Node that report only the position. */
function place(text: string, message: string): string {
  const position = /at position (\d+)(?!.*\(line)/s.exec(message)?.[1];
  if (position === undefined) return '';
  const lines = text.slice(0, Number(position)).split('\n');
  return ` (line ${lines.length} column ${(lines.at(-1)?.length ?? 0) + 1})`;
}

import { invalidOption } from '../../options/errors.ts';
import { wordsOf } from '../../options/words.ts';
import { type EnvironmentRules, rulesOfEnvironment } from '../../rules/environment.ts';
import type { CompiledRule, Connection } from '../../rules/rule.ts';
import { firstFor, RulesByPort } from '../../rules/rules-by-port.ts';
import { isName } from '../../rules/target.ts';
import { parseRuleText, ruleText } from '../../rules/text.ts';
import { type Command, type Io, type ParsedArguments, parseArguments } from '../command.ts';
import { json, labelled, paint, width } from '../text.ts';
import { UsageError } from '../usage-error.ts';

const help = `tcp-keepalive check: which rule matches which connection

Usage: tcp-keepalive check [--rules '<rules>' | --config <file>] [<host>:<port> ...]

Lists the rules, in the order in which they are asked, with their options.
Without --rules and --config it reads those of the environment: TCP_KEEPALIVE
and TCP_KEEPALIVE_CONFIG. With <host>:<port> it says which rule matches a
connection to it, and listen:<port> stands for what a program accepts. A name is
not looked up: rules for addresses are compared with addresses.

  --rules <rules>   rules as text, as in run
  --config <file>   rules in a JSON file
  --json            the same as JSON

Exit code 1 if a connection matches no rule.

Examples:
  tcp-keepalive check --rules '*=byPort'
  tcp-keepalive check --rules '5432=database; *=off' db.internal:5432 cache:6379
  tcp-keepalive check --config rules.json '[fd00::1]:5432' listen:8080
`;

/** The connection that was asked for, and the number of its rule, from 1. */
interface Checked {
  readonly connection: string;
  readonly rule: number | undefined;
}

/** `tcp-keepalive check` */
export const check: Command = {
  help,
  run(args, io) {
    const given = parseArguments(args, { rules: 'string', config: 'string', json: 'boolean' });
    const { rules } = rulesOf(given);
    const byPort = new RulesByPort(rules.map((rule) => ({ rule })));
    const checked = given.positionals.map((text): Checked => {
      const found = firstFor([{ rules: byPort }], connectionOf(text));
      return { connection: text, rule: found && rules.indexOf(found.rule) + 1 };
    });
    io.out(
      given.has('json')
        ? json({ rules: rules.map(shownRule), connections: checked })
        : draw(io, rules, checked),
    );
    return checked.some(({ rule }) => rule === undefined) ? 1 : 0;
  },
};

function rulesOf(given: ParsedArguments): EnvironmentRules {
  const [text, config] = [given.value('rules'), given.value('config')];
  if (text === undefined && config === undefined) return rulesOfEnvironment(process.env);
  if (text !== undefined && config !== undefined)
    throw new UsageError('Expected --rules or --config, got both');
  // The text is read here first, so that a mistake names the flag.
  if (text !== undefined) parseRuleText(text, '--rules');
  return rulesOfEnvironment({ TCP_KEEPALIVE: text, TCP_KEEPALIVE_CONFIG: config });
}

function connectionOf(text: string): Connection {
  const { rules } = parseRuleText(`${text}=off`, `\`${text}\``);
  const [rule] = rules;
  if (
    rule === undefined ||
    typeof rule.port !== 'number' ||
    (rule.side === 'client' && typeof rule.host !== 'string')
  ) {
    throw invalidOption(`Expected <host>:<port> or listen:<port>, got \`${text}\``, RangeError);
  }
  const { side = 'client', port } = rule;
  const host = typeof rule.host === 'string' ? rule.host : '';
  // An accepted connection may come from anywhere, and a name that was not looked up has any address.
  return isName(host) ? { side, host, address: NOWHERE, port } : { side, address: host || NOWHERE, port };
}

/** An address that nobody has: it is for documentation. */
const NOWHERE = '192.0.2.0';

function draw(io: Io, rules: readonly CompiledRule[], checked: readonly Checked[]): string {
  const columns = width(io);
  const shown = rules.map(readable);
  const list = shown.map(({ rule, options }, index) => {
    const number = `${index + 1}`.padStart(3);
    return labelled(`${paint(io, 'bold', number)}  `, `${rule}: ${options}`, 5, columns);
  });
  const answers = checked.map(({ connection, rule }) => {
    const found = rule === undefined ? undefined : shown[rule - 1];
    const text = found ? `rule ${rule}: ${found.options}` : 'no rule: it has what its program sets';
    return labelled(
      `${paint(io, found ? 'bold' : 'yellow', connection)}  `,
      text,
      connection.length + 2,
      columns,
    );
  });
  const none = rules.length === 0 ? ['no rules'] : [];
  return `${[...none, ...list, ...(answers.length > 0 ? ['', ...answers] : [])].join('\n')}\n`;
}

interface Shown {
  readonly rule: string;
  readonly options: string | null;
}

function shownRule(compiled: CompiledRule): Shown {
  const { rule, settings } = compiled;
  return {
    rule: ruleText(compiled, rule.side ?? 'client'),
    options: settings === false ? null : wordsOf(settings).join(' '),
  };
}

/** A rule for people: its options once, if it has no preset, and between spaces, so that the line can be broken. */
function readable(compiled: CompiledRule): Shown {
  const { rule, options } = shownRule(compiled);
  const [target = ''] = rule.split('=');
  return {
    rule: typeof compiled.rule.use === 'object' ? target : rule,
    options: options ?? 'left alone',
  };
}

import { resolve } from 'node:path';
import { rulesOfEnvironment } from '../../rules/environment.ts';
import { type Command, parseArguments } from '../command.ts';
import { nodeOptions } from '../node-options.ts';
import { UsageError } from '../usage-error.ts';

const help = `tcp-keepalive env: the environment that puts every Node program under rules

Usage: tcp-keepalive env [--rules '<rules>'] [--config <file>]

  --rules <rules>   the rules, as for run
  --config <file>   a JSON file of rules; asked after --rules

Prints lines for a shell, with absolute paths: a relative one would end every
Node program that starts in another folder. The rules are checked first.

Examples:
  eval "$(npx tcp-keepalive env --rules '5432=database; *=loadBalancer')"
  npx tcp-keepalive env --config rules.json > keepalive.sh
`;

/** `tcp-keepalive env` */
export const env: Command = {
  help,
  run(args, io) {
    const parsed = parseArguments(args, { rules: 'string', config: 'string' });
    const config = parsed.value('config');
    const variables = {
      TCP_KEEPALIVE: parsed.value('rules'),
      TCP_KEEPALIVE_CONFIG: config === undefined ? undefined : resolve(config),
    };
    if (parsed.positionals.length > 0)
      throw new UsageError(`Expected options, got \`${parsed.positionals[0]}\``);
    rulesOfEnvironment(variables);
    for (const [name, value] of Object.entries({ NODE_OPTIONS: nodeOptions(), ...variables })) {
      if (value !== undefined) io.out(`export ${name}=${shellQuoted(value)}\n`);
    }
    return 0;
  },
};

function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

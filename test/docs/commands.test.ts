import { describe, expect, test } from 'vitest';
import { typeArguments } from '../helpers/command-line.ts';
import { blocks } from '../helpers/pages.ts';

/** A command line of a page, with what the page says that it prints. */
interface Shown {
  readonly name: string;
  readonly words: readonly string[];
  /** Absent in a block that shows commands alone. */
  readonly output: string | undefined;
}

const shown = blocks.flatMap(({ page, line, language, text }): Shown[] => {
  const name = `${page}:${line}`;
  if (language === 'sh')
    return linesOf(text).map((each) => ({ name, words: wordsOf(each), output: undefined }));
  if (language !== 'console') return [];
  return text
    .split(/^\$ /m)
    .slice(1)
    .map((each) => {
      const [line = ''] = each.split('\n');
      return { name, words: wordsOf(line), output: each.slice(line.length + 1) };
    });
});

/** Those of this package's command line, by its own arguments. */
const ours = shown.flatMap(({ name, words, output }) => {
  const start = words.findIndex((word, index) => word === 'tcp-keepalive' && words[index - 1] === 'npx');
  return start < 0 ? [] : [{ name, args: words.slice(start + 1), output }];
});

describe('what a page says is printed is what is printed', () => {
  // The others print what is of one machine and one moment.
  const pure = ours.filter(
    ({ args: [command = ''], output }) =>
      output !== undefined && ['explain', 'plan', 'presets', 'check'].includes(command),
  );
  test.each(pure)('$name: $args', async ({ args, output }) => {
    expect((await typeArguments(args)).out).toBe(output);
  });
});

test.each(ours)(
  '$name: $args is a command with options that it has',
  async ({ args: [command = '', ...args] }) => {
    const { code, out } = await typeArguments([command, '--help']);
    expect(code, command).toBe(0);
    const end = args.indexOf('--');
    for (const arg of end < 0 ? args : args.slice(0, end)) {
      const [, option] = /^(--[\w-]+)/.exec(arg) ?? [];
      if (option !== undefined) expect(out, option).toMatch(new RegExp(`(^|\\W)${option}\\b`));
    }
  },
);

/** The commands of a block, without the line ends that a backslash hides. */
function linesOf(text: string): string[] {
  return text.replaceAll('\\\n', '').trim().split('\n');
}

/** The words of a line up to the next command, as a shell reads them, with simple quotes only. */
function wordsOf(line: string): string[] {
  const words = [...line.matchAll(/'([^']*)'|"([^"]*)"|([|;&<>]+)|([^\s'"|;&<>]+)/g)].map((match) => ({
    text: match[1] ?? match[2] ?? match[4] ?? '',
    ends: match[3] !== undefined,
  }));
  const end = words.findIndex(({ ends }) => ends);
  return (end < 0 ? words : words.slice(0, end)).map(({ text }) => text);
}

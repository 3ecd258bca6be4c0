import util from 'node:util';
import type { Io } from './command.ts';

/**
 * The process's own output. It is coloured only on a terminal that knows colours, and not if `NO_COLOR` is set;
 * `FORCE_COLOR` decides otherwise, as it does for Node itself.
 *
 * @see https://no-color.org
 * @see https://force-color.org
 */
export function terminal(): Io {
  const { stdin, stdout, stderr, env } = process;
  // A reader such as head(1) closes the pipe when it has enough. That is no failure of this program.
  const closed = new AbortController();
  stdout.on('error', ({ code, message }: NodeJS.ErrnoException) => {
    closed.abort();
    if (code === 'EPIPE') return;
    stderr.write(`tcp-keepalive: ${message}\n`);
    process.exit(1);
  });
  return {
    out: (text) => void stdout.write(text),
    err: (text) => void stderr.write(text),
    // A pipe has no columns, and some terminals report 0.
    columns: stdout.columns || 80,
    // Node before 20.12 cannot style text.
    color: 'styleText' in util && wantsColor(env, stdout.isTTY === true),
    ask: stdin.isTTY && stderr.isTTY ? ask : undefined,
    isScreen: stdout.isTTY === true && env.TERM !== 'dumb',
    closed: closed.signal,
  };
}

/** The terminal edits the line, so that Ctrl-C ends this process as it does any other. Ctrl-D is no answer. */
async function ask(question: string): Promise<boolean> {
  const { createInterface } = await import('node:readline');
  process.stderr.write(question);
  const lines = createInterface({ input: process.stdin, terminal: false });
  const answered = new Promise<boolean>((resolve) => {
    lines.once('line', (line) => resolve(/^\s*y(es)?\s*$/i.test(line)));
    lines.once('close', () => resolve(false));
  });
  return answered.finally(() => lines.close());
}

function wantsColor({ FORCE_COLOR, NO_COLOR, TERM }: NodeJS.ProcessEnv, isTerminal: boolean): boolean {
  if (FORCE_COLOR !== undefined) return FORCE_COLOR !== '0' && FORCE_COLOR !== 'false';
  return isTerminal && !NO_COLOR && TERM !== 'dumb';
}

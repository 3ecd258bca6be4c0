import util from 'node:util';
import type { Io } from './command.ts';

/**
 * The process's own output. It is coloured on a terminal only, and not if `NO_COLOR` is set to anything.
 *
 * @see https://no-color.org
 */
export function terminal(): Io {
  const { stdout, stderr, env } = process;
  // A reader that has seen enough, such as head(1), closes the pipe. That is no failure of this program.
  stdout.on('error', ({ code, message }: NodeJS.ErrnoException) => {
    if (code === 'EPIPE') return;
    stderr.write(`tcp-keepalive: ${message}\n`);
    process.exit(1);
  });
  return {
    out: (text) => void stdout.write(text),
    err: (text) => void stderr.write(text),
    // A pipe has no columns, and some terminals say 0.
    columns: stdout.columns || 80,
    // Node 20 can style text from 20.12 on.
    color: stdout.isTTY === true && !env.NO_COLOR && 'styleText' in util,
  };
}

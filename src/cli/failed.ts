import { printable } from '../options/show.ts';
import type { Io } from './command.ts';

/**
 * Tells what the system refuses, in one line.
 *
 * @returns the exit code
 * @throws any other error, of which some are mistakes in the command line
 */
export function failed(error: unknown, io: Io): number {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === undefined || code === 'ERR_KEEPALIVE_INVALID_OPTION') throw error;
  io.err(`tcp-keepalive: ${printable(message)}\n`);
  return 1;
}

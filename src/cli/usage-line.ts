import { printable } from '../options/show.ts';
import { exactTime } from '../options/words.ts';
import { UsageError } from './usage-error.ts';

/**
 * The line for a mistake in the command line: a {@link UsageError}, or an option that was refused. It is
 * `undefined` for any other error.
 *
 * @param command - the command whose help says more; without it the list of commands does
 */
export function usageLine(error: unknown, command?: string): string | undefined {
  if (!isUsageError(error)) return undefined;
  const message = printable(asTyped(inFlags(error.message)));
  const more = ['tcp-keepalive', command, '--help'].filter(Boolean).join(' ');
  return `tcp-keepalive: ${message}${message.endsWith('?') ? '' : '.'} Run ${more}\n`;
}

function isUsageError(error: unknown): error is Error {
  if (error instanceof UsageError) return true;
  return (error as { code?: unknown } | null)?.code === 'ERR_KEEPALIVE_INVALID_OPTION';
}

/** The flags of options that have another name in the library. */
const flags: Readonly<Record<string, string>> = {
  detectWithin: '--detect',
  pathIdleLimit: '--path',
  acquireTimeout: '--acquire-timeout',
  roundTrip: '--round-trip',
  connections: '--connections',
  probes: '--probes',
  rto: '--rto',
  loss: '--loss',
  pid: '--pid',
  local: '--port',
  remote: '--remote',
  listen: '--listen',
  for: '--for',
  within: '--within',
  state: '--state',
};

/** Replaces the names in a message of the library by the flags that were typed. */
function inFlags(message: string): string {
  return message.replace(/`(\w+)`/g, (quoted, name) =>
    Object.hasOwn(flags, name) ? `\`${flags[name]}\`` : quoted,
  );
}

/** Writes the times of a message as people type them, if it speaks of times: `at least 4.6s, got 2s`. */
function asTyped(message: string): string {
  if (!/\d milliseconds\b/.test(message)) return message;
  const time = (ms: string) => exactTime(Number(ms));
  return message
    .replace(/from (\d+) to (\d+) milliseconds/g, (_, from, to) => `from ${time(from)} to ${time(to)}`)
    .replace(/([\d.]+) milliseconds/g, (_, ms) => time(ms))
    .replace(/`([\d.]+)` \(number\)/g, (_, ms) => time(ms))
    .replace(/did you mean (\d+)\?/g, (_, ms) => `did you mean ${time(ms)}?`);
}

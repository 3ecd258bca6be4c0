import { printable } from '../options/show.ts';

/** A mistake in the command line, which is answered with one line and exit code 2. */
export class UsageError extends Error {}

/**
 * The line for a mistake in the command line: a {@link UsageError}, or an option that was refused. It is
 * `undefined` for any other error.
 */
export function usageLine(error: unknown): string | undefined {
  if (!isUsageError(error)) return undefined;
  return `tcp-keepalive: ${printable(inFlags(error.message))}\n`;
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
  state: '--state',
};

/** Replaces the names in a message of the library by the flags that were typed. */
function inFlags(message: string): string {
  return message.replace(/`(\w+)`/g, (quoted, name) =>
    Object.hasOwn(flags, name) ? `\`${flags[name]}\`` : quoted,
  );
}

import { printable } from '../options/show.ts';

/** Something that was typed wrong: one line and exit code 2. */
export class UsageError extends Error {}

/**
 * The line for an error that typing something else avoids: one of this folder, or of the check of an
 * option. It is `undefined` for any other error.
 */
export function usageLine(error: unknown): string | undefined {
  if (!isUsageError(error)) return undefined;
  return `tcp-keepalive: ${printable(inFlags(error.message))}\n`;
}

function isUsageError(error: unknown): error is Error {
  if (error instanceof UsageError) return true;
  return (error as { code?: unknown } | null)?.code === 'ERR_KEEPALIVE_INVALID_OPTION';
}

/** The flags of options to which the library's functions give another name. */
const flags: Readonly<Record<string, string>> = {
  detectWithin: '--detect',
  pathIdleLimit: '--path',
  acquireTimeout: '--acquire-timeout',
  roundTrip: '--round-trip',
  connections: '--connections',
  probes: '--probes',
  rto: '--rto',
};

/** A message of the library with the names that were typed. */
function inFlags(message: string): string {
  return message.replace(/`(\w+)`/g, (quoted, name) =>
    Object.hasOwn(flags, name) ? `\`${flags[name]}\`` : quoted,
  );
}

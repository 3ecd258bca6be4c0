import { didYouMean } from '../options/show.ts';
import { parseTime } from '../options/words.ts';
import { type PathInput, type PathName, pathIdleLimits } from '../predict/paths.ts';
import { UsageError } from './usage-error.ts';

/** Before the limit of a path that counts payload only. */
const PAYLOAD = 'payload:';

/**
 * Reads the name of a path, or the time after which it forgets a connection: with `payload:` before it, one on
 * which TCP probes do not count.
 *
 * @throws {@link UsageError}
 */
export function parsePath(name: string, text: string): PathInput {
  if (Object.hasOwn(pathIdleLimits, text)) return text as PathName;
  if (/^\d/.test(text)) return parseTime(name, text);
  if (text.startsWith(PAYLOAD)) {
    return { limit: parseTime(name, text.slice(PAYLOAD.length)), probesCount: false };
  }
  const names = Object.keys(pathIdleLimits);
  throw new UsageError(
    `Expected \`${name}\` to be a time, payload: and a time, or one of ${names.join(', ')}, got \`${text}\`${didYouMean(text, names)}`,
  );
}

/** Writes a time for people, to a tenth of a second: `30s`, `24.5s`, `15m29s`, `2h11m`, `never`. */
export function formatTime(ms: number): string {
  if (ms === Infinity) return 'never';
  if (ms > 0 && ms < 1_000) return `${Math.round(ms)}ms`;
  if (ms < 120_000) return `${Number((ms / 1_000).toFixed(1))}s`;
  if (ms < 3_600_000) return joined(Math.round(ms / 1_000), 60, 'm', 's');
  if (ms < 86_400_000) return joined(Math.round(ms / 60_000), 60, 'h', 'm');
  return joined(Math.round(ms / 3_600_000), 24, 'd', 'h');
}

function joined(total: number, size: number, large: string, small: string): string {
  const rest = total % size;
  return `${Math.floor(total / size)}${large}${rest === 0 ? '' : `${rest}${small}`}`;
}

/**
 * Reads a share, as a fraction: `5%`, or `0.05`.
 *
 * @throws {@link UsageError}
 */
export function parsePercent(name: string, text: string): number {
  const [, number, percent] = /^(\d+(?:\.\d+)?)(%?)$/.exec(text) ?? [];
  if (number !== undefined) return Number(number) / (percent ? 100 : 1);
  throw new UsageError(`Expected \`${name}\` to be a share such as 5% or 0.05, got \`${text}\``);
}

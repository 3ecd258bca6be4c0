import { didYouMean } from '../options/show.ts';
import { type PathName, pathIdleLimits } from '../predict/paths.ts';
import { UsageError } from './usage-error.ts';

const UNITS = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000, ms: 1 };

const TIME =
  /^(?:(\d+(?:\.\d+)?)d)?(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?$/;

/**
 * Reads a time: `30s`, `1m30s`, `500ms`, or a number of milliseconds.
 *
 * @throws {@link UsageError}
 */
export function parseTime(name: string, text: string): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text);
  const parts = TIME.exec(text)?.slice(1);
  if (text === '' || parts === undefined) {
    throw new UsageError(
      `Expected \`${name}\` to be a time such as 30s, 1m30s, 500ms or 1500 (milliseconds), got \`${text}\``,
    );
  }
  const units = Object.values(UNITS);
  return parts.reduce((sum, part, index) => sum + Number(part ?? 0) * (units[index] ?? 0), 0);
}

/**
 * Reads a whole number.
 *
 * @throws {@link UsageError}
 */
export function parseWhole(name: string, text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new UsageError(`Expected \`${name}\` to be a whole number, got \`${text}\``);
}

/**
 * Reads the name of a path, or the time after which it forgets a connection.
 *
 * @throws {@link UsageError}
 */
export function parsePath(name: string, text: string): PathName | number {
  if (Object.hasOwn(pathIdleLimits, text)) return text as PathName;
  if (/^\d/.test(text)) return parseTime(name, text);
  const names = Object.keys(pathIdleLimits);
  throw new UsageError(
    `Expected \`${name}\` to be a time or one of ${names.join(', ')}, got \`${text}\`${didYouMean(text, names)}`,
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

/** Writes a time that can be typed again, exact to the millisecond: `30s`, `9m3.5s`, `2h43m17.5s`. */
export function exactTime(ms: number): string {
  if (ms > 0 && ms < 1_000) return `${ms}ms`;
  if (ms < 120_000) return `${ms / 1_000}s`;
  const { d, h, m } = UNITS;
  const parts = [
    [Math.floor(ms / d), 'd'],
    [Math.floor((ms % d) / h), 'h'],
    [Math.floor((ms % h) / m), 'm'],
    [(ms % m) / 1_000, 's'],
  ] as const;
  return parts.map(([amount, unit]) => (amount === 0 ? '' : `${amount}${unit}`)).join('');
}

function joined(total: number, size: number, large: string, small: string): string {
  const rest = total % size;
  return `${Math.floor(total / size)}${large}${rest === 0 ? '' : `${rest}${small}`}`;
}

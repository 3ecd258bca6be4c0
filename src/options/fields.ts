import { closestMatch } from 'leven';
import { invalidOption, printable, shown } from './errors.ts';

/** What a number may be. Times may be fractions, all else is whole. */
export interface Range {
  readonly min: number;
  readonly max: number;
  readonly unit: string;
}

/**
 * A number within a range.
 *
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`
 */
export function checkRange(name: string, value: unknown, { min, max, unit }: Range): number {
  const whole = unit !== 'milliseconds';
  // Written so that NaN is refused too.
  if (typeof value === 'number' && value >= min && value <= max && (!whole || Number.isInteger(value)))
    return value;
  const hint = min === 1_000 && !whole ? secondsHint(value) : '';
  throw invalidOption(
    `Expected \`${name}\` to be ${whole ? 'an integer ' : ''}from ${min} to ${max} ${unit}, got ${shown(value)}${hint}`,
    typeof value === 'number' ? RangeError : TypeError,
  );
}

/** A time under a second is nearly always seconds written where milliseconds are meant. */
export function secondsHint(value: unknown): string {
  return typeof value === 'number' && value >= 1 && value < 1_000 ? `; did you mean ${value * 1_000}?` : '';
}

/**
 * Refuses an object with a field that nobody knows: what was meant by it would be lost without a word.
 *
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`
 */
export function expectKnownFields(fields: object, known: readonly string[]): void {
  const unknown = Object.keys(fields).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  throw invalidOption(
    `Expected ${listed(known)}, got \`${printable(unknown)}\`${didYouMean(unknown, known)}`,
    TypeError,
  );
}

/** `; did you mean X?` where a known name is near enough to be what was meant, else nothing. */
export function didYouMean(name: string, known: readonly string[]): string {
  const near =
    known.find((each) => each.toLowerCase() === name.toLowerCase()) ??
    closestMatch(name, known, { maxDistance: Math.max(2, Math.floor(name.length / 3)) });
  return near === undefined ? '' : `; did you mean \`${near}\`?`;
}

/** Names as messages list them. */
export function listed(names: readonly string[]): string {
  return names.map((name) => `\`${name}\``).join(', ');
}

import { invalidOption, isKeepAliveError, type KeepAliveError } from './errors.ts';
import { didYouMean, isPlain, listed, quoted, shown } from './show.ts';

/** Checks the value of one field: gives what is to be used, or refuses it by the field's name. */
export type Field<T> = (value: unknown, name: string) => T;

/** A check for each field that a caller's object may have. */
export type FieldTable<T> = { readonly [name in keyof T]-?: Field<T[name]> };

/** The numbers that a field takes. Times may be fractions, all else is whole. */
export interface Range {
  readonly min: number;
  readonly max: number;
  readonly unit: string;
}

/**
 * Reads an object that a caller gave, each field once: a getter cannot give one value to the check and
 * another to the kernel.
 *
 * @param what - what was expected, for the message: `an object such as { strict: true }`
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`, also if a getter or a proxy's trap throws
 */
export function readFields<T>(what: string, input: unknown, table: FieldTable<T>): T {
  return readable(what, () => {
    const names = Object.keys(table) as (keyof T & string)[];
    expectFields(what, input, names);
    const fields: Partial<T> = {};
    for (const name of names) fields[name] = table[name](Reflect.get(input, name), name);
    return fields as T;
  });
}

/** Refuses what is no object, and a field that nobody knows: what was meant by it would be lost without a word. */
function expectFields(what: string, input: unknown, names: readonly string[]): asserts input is object {
  if (!isObject(input) || Array.isArray(input)) throw refusal(what, input);
  const keys = Object.keys(input);
  const unknown = keys.find((key) => !names.includes(key));
  if (unknown !== undefined) {
    throw invalidOption(
      `Expected ${listed(names)}, got ${quoted(unknown)}${didYouMean(unknown, names)}`,
      TypeError,
    );
  }
  // An object of a class may inherit its fields. A promise that nobody awaited, or a map, has none at all.
  if (keys.length === 0 && !isPlain(input) && !names.some((name) => name in input))
    throw refusal(what, input);
}

/**
 * Looks at what a caller gave, at the border: what its getters or a proxy's traps throw becomes an error of
 * ours.
 *
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`
 */
export function readable<T>(what: string, look: () => T): T {
  try {
    return look();
  } catch (error) {
    if (isKeepAliveError(error)) throw error;
    throw invalidOption(`Expected ${what}, got a value that cannot be read as such`, TypeError, error);
  }
}

/** The one form in which a value is refused: what was expected, what came, and what to do. */
export function refusal(
  expected: string,
  value: unknown,
  { hint = '', outOfRange = false }: { hint?: string; outOfRange?: boolean } = {},
): KeepAliveError {
  return invalidOption(
    `Expected ${expected}, got ${shown(value)}${hint}`,
    outOfRange ? RangeError : TypeError,
  );
}

export function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/** A field that may be left out. */
export function optional<T>(field: Field<T>): Field<T | undefined> {
  return otherwise(field, undefined);
}

/** A field for which something else stands if it is left out. */
export function otherwise<T, Default>(field: Field<T>, value: Default): Field<T | Default> {
  return (given, name) => (given === undefined ? value : field(given, name));
}

export const anything: Field<unknown> = (value) => value;

export const aBoolean: Field<boolean> = (value, name) => {
  if (typeof value === 'boolean') return value;
  throw refusal(`\`${name}\` to be true or false`, value);
};

/** @typeParam F - what is known of it only by its types: its parameters and its result */
export function aFunction<F>(value: unknown, name: string): F {
  if (typeof value === 'function') return value as F;
  throw refusal(`\`${name}\` to be a function`, value);
}

/** A number that passes a test; what is no number is a `TypeError`, and what does not pass a `RangeError`. */
export function aNumber(
  expected: string,
  passes: (value: number) => boolean,
  hintFor: (value: unknown) => string = () => '',
): Field<number> {
  return (value, name) => {
    if (typeof value === 'number' && passes(value)) return value;
    const outOfRange = typeof value === 'number';
    throw refusal(`\`${name}\` to be ${expected}`, value, { hint: hintFor(value), outOfRange });
  };
}

/** A number within a range. */
export function within({ min, max, unit }: Range): Field<number> {
  const isTime = unit === 'milliseconds';
  const isWithin = (value: number) => value >= min && value <= max;
  return isTime
    ? aNumber(`from ${min} to ${max} milliseconds`, isWithin, min === 1_000 ? secondsHint : undefined)
    : aNumber(
        `an integer from ${min} to ${max} ${unit}`.trim(),
        (value) => isWithin(value) && Number.isInteger(value),
      );
}

/** A time under a second is nearly always seconds written where milliseconds are meant. */
export function secondsHint(value: unknown): string {
  return typeof value === 'number' && value >= 1 && value < 1_000 ? `; did you mean ${value * 1_000}?` : '';
}

import { invalidOption, isKeepAliveError, type KeepAliveError } from './errors.ts';
import { didYouMean, isPlain, listed, quoted, shown } from './show.ts';

/** Checks the value of one field: returns the value to use, or throws an error that names the field. */
export type Field<T> = (value: unknown, name: string) => T;

/** The check of each field of a caller's object. Other fields are refused. */
export type FieldTable<T> = { readonly [name in keyof T]-?: Field<T[name]> };

/** The range of a number. Times may be fractions, other numbers must be integers. */
export interface Range {
  readonly min: number;
  readonly max: number;
  readonly unit: string;
}

/**
 * Reads a caller's object, each field once, so that a getter cannot return one value to the check and
 * another to the kernel.
 *
 * @param what - the expected object, for the message: `an object such as { strict: true }`
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

/** Refuses a value that is no object, and an unknown field, which would otherwise be ignored silently. */
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
  // An object of a class may inherit its fields. A promise or a map has none of them, and is a mistake.
  if (keys.length === 0 && !isPlain(input) && !names.some((name) => name in input))
    throw refusal(what, input);
}

/**
 * Reads a caller's value: an exception of its getters or of a proxy's traps becomes an error of this library.
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

/** The error for a refused value, which says what was expected, what came, and what to do. */
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

/** A field with a default. */
export function otherwise<T, Default>(field: Field<T>, value: Default): Field<T | Default> {
  return (given, name) => (given === undefined ? value : field(given, name));
}

export const anything: Field<unknown> = (value) => value;

export const aBoolean: Field<boolean> = (value, name) => {
  if (typeof value === 'boolean') return value;
  throw refusal(`\`${name}\` to be true or false`, value);
};

/** @typeParam F - the function's type, whose parameters and result cannot be checked */
export function aFunction<F>(value: unknown, name: string): F {
  if (typeof value === 'function') return value as F;
  throw refusal(`\`${name}\` to be a function`, value);
}

/** A number that passes a test. Another type is a `TypeError`, another number a `RangeError`. */
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

/** Suggests milliseconds for a time under a second, which nearly always was meant as seconds. */
export function secondsHint(value: unknown): string {
  return typeof value === 'number' && value >= 1 && value < 1_000 ? `; did you mean ${value * 1_000}?` : '';
}

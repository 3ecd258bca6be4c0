import type { OptionName } from './options.ts';

/** The errors of this library's own. A system call that fails keeps its own code, such as `EBADF`. */
export type KeepAliveErrorCode =
  | 'ERR_KEEPALIVE_INVALID_OPTION'
  | 'ERR_KEEPALIVE_NOT_CONNECTED'
  | 'ERR_KEEPALIVE_DESTROYED'
  | 'ERR_KEEPALIVE_NOT_TCP'
  | 'ERR_KEEPALIVE_NO_DESCRIPTOR'
  | 'ERR_KEEPALIVE_UNSUPPORTED';

/** An error of this library: a `TypeError`, `RangeError` or `Error` with a literal {@link KeepAliveErrorCode}. */
export interface KeepAliveError extends Error {
  readonly code: KeepAliveErrorCode;
  /** The options that were set before the error. Absent where no connection was touched. */
  readonly applied?: readonly OptionName[];
}

type ErrorClass = new (message: string, options?: ErrorOptions) => Error;

interface ErrorDetails {
  cause?: unknown;
  type?: ErrorClass;
  applied?: readonly OptionName[];
}

/** @internal */
export function keepAliveError(
  code: KeepAliveErrorCode,
  message: string,
  { cause, type = Error, applied }: ErrorDetails = {},
): KeepAliveError {
  const error = cause === undefined ? new type(message) : new type(message, { cause });
  return Object.assign(error, applied === undefined ? { code } : { code, applied });
}

/** @internal */
export function invalidOption(message: string, type: ErrorClass, cause?: unknown): KeepAliveError {
  return keepAliveError('ERR_KEEPALIVE_INVALID_OPTION', message, { cause, type });
}

/**
 * Looks at what a caller gave. What its getters or a proxy's traps throw becomes an error of ours.
 *
 * @internal
 */
export function readable<T>(what: string, look: () => T): T {
  try {
    return look();
  } catch (error) {
    if (isOurs(error)) throw error;
    throw invalidOption(`Expected ${what}, got a value that cannot be read as such`, TypeError, error);
  }
}

/**
 * Whether this library made an error. It may be anything: what other people's code throws comes here.
 *
 * @internal
 */
export function isOurs(error: unknown): boolean {
  return codeOf(error)?.startsWith('ERR_KEEPALIVE_') === true;
}

/** @internal */
export function codeOf(error: unknown): string | undefined {
  try {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    return typeof code === 'string' ? code : undefined;
  } catch {
    // A revoked proxy, or a getter that throws.
    return undefined;
  }
}

/** Whether an error says that nothing but Node's own call is to be had here. */
export function isUnsupported(error: unknown): error is KeepAliveError {
  return (error as Partial<KeepAliveError> | undefined)?.code === 'ERR_KEEPALIVE_UNSUPPORTED';
}

/** Whether an error says that a descriptor is a Unix socket or the like. */
export function isNotTcp(error: unknown): boolean {
  return (error as Partial<KeepAliveError> | undefined)?.code === 'ERR_KEEPALIVE_NOT_TCP';
}

/** Whether an error says that a connection has ended. */
export function isDestroyed(error: unknown): boolean {
  return (error as Partial<KeepAliveError> | undefined)?.code === 'ERR_KEEPALIVE_DESTROYED';
}

/**
 * A value as an error message shows it: `` `60` (number) ``, `an object of class Agent`.
 *
 * @internal
 */
export function shown(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'object') return isArray(value) ? 'an array' : `an object${ofClass(value)}`;
  return `${quoted(String(value))} (${typeof value})`;
}

/**
 * Text as an error message shows it, cut where it is long.
 *
 * @internal
 */
export function quoted(text: string): string {
  const line = printable(text);
  return `\`${line.length > 40 ? `${line.slice(0, 40)}...` : line}\``;
}

/**
 * What came instead of an object of a certain kind.
 *
 * @internal
 */
export function shownInstead(value: unknown): string {
  const text = shown(value);
  return text === 'an object' ? 'another object' : text;
}

/**
 * Text in one line, without what a terminal would obey: keys, paths and what a system says come from
 * anywhere, and a log has a line for each error.
 *
 * @internal
 */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it looks for; looking \p{Cc} up delays every import.
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, (character) =>
    character === '\n' ? '\\n' : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Not by the prototype itself, which is another one in another context, such as a test's. */
export function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function ofClass(value: object): string {
  try {
    if (isPlain(value)) return '';
    const name: unknown = value.constructor.name;
    return typeof name === 'string' && name !== '' ? ` of class ${printable(name.slice(0, 40))}` : '';
  } catch {
    // A revoked proxy, or a getter that throws.
    return '';
  }
}

function isArray(value: object): boolean {
  try {
    return Array.isArray(value);
  } catch {
    // A revoked proxy throws here.
    return false;
  }
}

import type { OptionName } from './options.ts';
import { printable } from './show.ts';

/** Every code of this library, with its meaning. Each is a heading of `docs/errors.md`. */
export const codes = {
  errors: {
    ERR_KEEPALIVE_INVALID_OPTION: 'An argument is of the wrong type, out of range, or unknown.',
    ERR_KEEPALIVE_NOT_CONNECTED: 'The socket is not connected, or not yet.',
    ERR_KEEPALIVE_DESTROYED: 'The socket is destroyed.',
    ERR_KEEPALIVE_NOT_TCP: 'It is no TCP connection: a Unix socket, a pipe, or no socket at all.',
    ERR_KEEPALIVE_NO_DESCRIPTOR: 'The socket has no descriptor on which anything can be set or read.',
    ERR_KEEPALIVE_UNSUPPORTED: 'koffi cannot be loaded, or this platform lacks what was asked for.',
  },
  /** Codes of process warnings that are no errors. */
  warnings: {
    ERR_KEEPALIVE_NO_ERROR_LISTENER:
      "A pool has no 'error' listener, which it needs once a connection is lost.",
    ERR_KEEPALIVE_TWO_PORTS: 'A rule has a list of two ports, which was a range before 0.2.',
    ERR_KEEPALIVE_ON_ERROR_THREW: 'An onError or onLost handler threw or rejected.',
  },
} as const;

/** The codes of this library's errors. A system call that fails keeps its own code, such as `EBADF`. */
export type KeepAliveErrorCode = keyof typeof codes.errors;

/** The codes of process warnings that are no errors. */
export type KeepAliveWarningCode = keyof typeof codes.warnings;

/** An error of this library: a `TypeError`, `RangeError` or `Error` with a literal code. */
export interface KeepAliveError extends Error {
  /** The code, which does not change between versions as the message may. */
  readonly code: KeepAliveErrorCode;
  /** The options that were set before the error. Absent if no connection was touched. */
  readonly applied?: readonly OptionName[];
}

type ErrorClass = new (message: string, options?: ErrorOptions) => Error;

interface ErrorDetails {
  cause?: unknown;
  type?: ErrorClass;
  applied?: readonly OptionName[];
}

/**
 * Makes an error that shows its code as Node's own errors do: in `String(error)` and in the first line of
 * its stack, but not in its name.
 */
export function keepAliveError(
  code: KeepAliveErrorCode,
  message: string,
  { cause, type = Error, applied }: ErrorDetails = {},
): KeepAliveError {
  const error = cause === undefined ? new type(message) : new type(message, { cause });
  Object.defineProperties(error, {
    name: { value: `${error.name} [${code}]`, configurable: true },
    toString: { value: toStringWithCode },
  });
  // V8 builds the first line, with the name, when the stack is first read.
  void error.stack;
  Reflect.deleteProperty(error, 'name');
  return Object.assign(error, applied === undefined ? { code } : { code, applied });
}

function toStringWithCode(this: KeepAliveError): string {
  return `${this.name} [${this.code}]: ${this.message}`;
}

export function invalidOption(message: string, type: ErrorClass, cause?: unknown): KeepAliveError {
  return keepAliveError('ERR_KEEPALIVE_INVALID_OPTION', message, { cause, type });
}

/** Adds the place of the mistake, such as a rule and a character, to an error of this library. */
export function inContext<T>(where: string, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (!isKeepAliveError(error)) throw error;
    const type = error instanceof RangeError ? RangeError : TypeError;
    throw invalidOption(printable(`${error.message} (${where})`), type, error.cause);
  }
}

/**
 * Returns whether this library made an error, which its {@link KeepAliveErrorCode} shows. Any thrown value
 * is accepted. The error of a system call has the system's code, such as `EBADF`, and is none of these.
 *
 * @param error - the value that was caught, or passed to `onError`
 *
 * @example
 * ```ts
 * try {
 *   setKeepAlive(socket, 'database');
 * } catch (error) {
 *   if (!isKeepAliveError(error) || error.code !== 'ERR_KEEPALIVE_NOT_CONNECTED') throw error;
 * }
 * ```
 */
export function isKeepAliveError(error: unknown): error is KeepAliveError {
  return Object.hasOwn(codes.errors, codeOf(error) ?? '');
}

/** The code of an error, if it has one. An error of other code may throw when it is read. */
export function codeOf(error: unknown): string | undefined {
  try {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    return typeof code === 'string' ? code : undefined;
  } catch {
    return undefined;
  }
}

/** Whether an error says that only Node's own call is available here. */
export function isUnsupported(error: unknown): error is KeepAliveError {
  return (error as Partial<KeepAliveError> | undefined)?.code === 'ERR_KEEPALIVE_UNSUPPORTED';
}

/** Whether an error says that a descriptor is no TCP socket. */
export function isNotTcp(error: unknown): boolean {
  return (error as Partial<KeepAliveError> | undefined)?.code === 'ERR_KEEPALIVE_NOT_TCP';
}

/** Whether an error says that a connection has ended. */
export function isDestroyed(error: unknown): boolean {
  return (error as Partial<KeepAliveError> | undefined)?.code === 'ERR_KEEPALIVE_DESTROYED';
}

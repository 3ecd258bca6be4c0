import { codeOf } from '../options/errors.ts';
import { aFunction, optional, readFields } from '../options/fields.ts';
import { nodeTakesIntervalAndCount } from './node-way.ts';

/** Told of what could not be set, instead of an exception. */
export type OnError = (error: Error) => void;

const warned = new Set<string>();

/**
 * The handler of whoever called.
 *
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`
 */
export function onErrorOf(behaviour: { onError?: OnError | undefined }): OnError | undefined {
  return readFields('an object such as { onError }', behaviour, onErrorField).onError;
}

const onErrorField = { onError: optional(aFunction<OnError>) };

/**
 * Hands an error to the caller's handler or, without one, warns of each kind of error once: what
 * cannot be set must not end a connection that works without.
 */
export function report(error: unknown, onError: OnError | undefined): void {
  const problem = asError(error);
  if (onError === undefined) {
    warnOnce(codeOf(problem) ?? problem.name, problem.message);
    return;
  }
  try {
    // It may be an async function.
    Promise.resolve(onError(problem) as unknown).catch(warnOfHandler);
  } catch (thrown) {
    warnOfHandler(thrown);
  }
}

/** A handler that throws would end the process from inside a 'connect' event. */
function warnOfHandler(thrown: unknown): void {
  warnOnce('ERR_KEEPALIVE_ON_ERROR_THREW', `The onError handler threw: ${asError(thrown).message}`);
}

/** Runs what must end neither a connection that works without, nor the process from inside an event. */
export function attempt(onError: OnError | undefined, work: () => void): void {
  try {
    work();
  } catch (error) {
    report(error, onError);
  }
}

/** A process warning, given once in each thread for each code. */
export function warnOnce(code: string, message: string): void {
  if (warned.has(code)) return;
  warned.add(code);
  process.emitWarning(message, { type: 'KeepAliveWarning', code });
}

/** Says what is missing when Node's own call has to do: a service then runs, but not as asked. */
export function warnOfNodeFallback(error: Error): void {
  const left = nodeTakesIntervalAndCount
    ? 'no bound on unacknowledged data and no reading back'
    : 'probes every 1 s, 10 times, after the initial delay, no bound on unacknowledged data, and no reading back';
  warnOnce(
    'ERR_KEEPALIVE_UNSUPPORTED',
    `${error.message}. Until then Node's own setKeepAlive is used: ${left}`,
  );
}

/** Anything can be thrown. */
function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

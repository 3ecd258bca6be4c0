import { writeSync } from 'node:fs';
import { codeOf, keepAliveError } from '../options/errors.ts';
import { aFunction, optional, readFields } from '../options/fields.ts';
import { type KeepAliveSettings, type OptionName, onlyTunes } from '../options/options.ts';
import { nodeTakesIntervalAndCount } from './node-way.ts';

/** Called with the error if options could not be set, in place of an exception or a process warning. */
export type OnError = (error: Error) => void;

const warned = new Set<string>();

/**
 * Reads the caller's `onError`.
 *
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`
 */
export function onErrorOf(behaviour: { onError?: OnError | undefined }): OnError | undefined {
  return readFields('an object such as { onError }', behaviour, onErrorField).onError;
}

const onErrorField = { onError: optional(aFunction<OnError>) };

/**
 * Calls the caller's handler or, without one, emits one process warning for each code. It never throws,
 * because a connection that works without the options must not end.
 */
export function report(error: unknown, onError: OnError | undefined): void {
  const problem = asError(error);
  if (onError === undefined) {
    warnOnce(codeOf(problem) ?? problem.name, problem.message);
    return;
  }
  callHandler('onError', () => onError(problem));
}

/** Calls a caller's handler. One that throws would end the process from inside an event or a timer. */
export function callHandler(name: string, call: () => unknown): void {
  const warn = (thrown: unknown) =>
    warnOnce('ERR_KEEPALIVE_ON_ERROR_THREW', `The ${name} handler threw: ${asError(thrown).message}`);
  try {
    // The handler may be an async function.
    Promise.resolve(call()).catch(warn);
  } catch (thrown) {
    warn(thrown);
  }
}

/** Runs work and reports its exception, which would otherwise end the process from inside an event. */
export function attempt(onError: OnError | undefined, work: () => void): void {
  try {
    work();
  } catch (error) {
    report(error, onError);
  }
}

/** Emits a process warning once in each thread for each code. */
export function warnOnce(code: string, message: string): void {
  if (warned.has(code)) return;
  warned.add(code);
  process.emitWarning(message, { type: 'KeepAliveWarning', code });
}

/** Warns that only Node's own call is available, and what it cannot set. */
export function warnOfNodeFallback(error: Error): void {
  const left = nodeTakesIntervalAndCount
    ? 'no bound on unacknowledged data and no reading back'
    : 'probes every 1 s, 10 times, after the initial delay, no bound on unacknowledged data, and no reading back';
  warnOnce(
    'ERR_KEEPALIVE_UNSUPPORTED',
    `${error.message}. Until then Node's own setKeepAlive is used: ${left}`,
  );
}

/**
 * Tells that a connection gets less than was asked for. Of what only tunes nothing is lost, nor of a user timeout of 0 or
 * a false `failOnUnreachable`, which leave what the system does.
 *
 * @param reason - why these options cannot be set
 */
export function tellOfLoss(
  lacking: readonly OptionName[],
  settings: KeepAliveSettings,
  reason: string,
  onError: OnError | undefined,
): void {
  const lost = lacking.filter(
    (option) => !onlyTunes(option) && (option === 'enable' || Boolean(settings[option])),
  );
  if (lost.length === 0) return;
  const names = lost.map((option) => `\`${option}\``).join(', ');
  const message = `Cannot set ${names}: ${reason}; the connection works without`;
  report(keepAliveError('ERR_KEEPALIVE_UNSUPPORTED', message), onError);
}

/** Prints a line on standard error. An error of `process.stderr` itself would end the process. */
export function printLine(line: string): void {
  try {
    writeSync(2, `tcp-keepalive: ${line}\n`);
  } catch {
    // Nobody reads standard error.
  }
}

/** Converts a thrown value, which may be anything, to an error. */
function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

import {
  DRIVER,
  invalidOption,
  isObject,
  isPlain,
  onErrorOf,
  parseKeepAliveOptions,
  readable,
  refusal,
  shownInstead,
} from '#core';
import type { KeepAliveInput, KeepAliveSettings } from '../options/options.ts';
import type { HoldRequest } from '../sockets/hold-record.ts';
import type { OnError } from '../sockets/report.ts';

// A driver module may import nothing else, beside Node and its driver.
export { holdSocket, keepAliveError, keepAliveServer, report, warnOnce } from '#core';
export type { HoldRequest, KeepAliveInput, OnError };

/** The hold that a driver module asks for on each connection. */
export interface DriverRequest extends HoldRequest {
  readonly settings: KeepAliveSettings;
}

/** An object that has not been checked yet. */
export type Members = Readonly<Record<string, unknown>>;

/**
 * Checks the arguments that every driver module accepts beside its target.
 *
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`
 */
export function driverRequest(
  options: KeepAliveInput,
  behaviour: { onError?: OnError | undefined },
): DriverRequest {
  return { settings: parseKeepAliveOptions(options), rank: DRIVER, onError: onErrorOf(behaviour) };
}

/**
 * Refuses an argument that is no target of a driver module, before anything is touched.
 *
 * @param isTarget - reads the members that the module will use, so that a getter that throws does so here
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`
 */
export function expectTarget(what: string, target: unknown, isTarget: (target: Members) => boolean): void {
  readable(what, () => {
    if (!isObject(target) || !isTarget(target as Members)) {
      throw invalidOption(`Expected ${what}, got ${shownInstead(target)}`, TypeError);
    }
  });
}

/** Whether a member is an object, or absent. */
export function isObjectOrAbsent(value: unknown): boolean {
  return value === undefined || typeof value === 'object';
}

/** Whether a member is a method. */
export function isMethod(value: unknown): value is (...args: never[]) => unknown {
  return typeof value === 'function';
}

/**
 * A copy of a driver's configuration, each field of which is read once.
 *
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`
 */
export function copyOfConfig<T extends object>(what: string, config: T): T {
  return readable(what, () => {
    if (!isObject(config) || Array.isArray(config)) throw refusal(what, config);
    // This is the driver's own object, and nobody would use the copy that is returned.
    if (!isPlain(config)) throw refusal(what, config, { hint: '; give it the copy that this returns' });
    return { ...config };
  });
}

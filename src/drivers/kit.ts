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

// All that a driver module may import beside Node and its driver.
export { holdSocket, keepAliveError, keepAliveServer, report, warnOnce } from '#core';
export type { HoldRequest, KeepAliveInput, OnError };

/** What a driver module asks of each connection. */
export interface DriverRequest extends HoldRequest {
  readonly settings: KeepAliveSettings;
}

/** An object of which nothing is known yet. */
export type Members = Readonly<Record<string, unknown>>;

/**
 * Checks what every driver module is given beside its target.
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
 * Refuses what is no target of a driver module, before anything is touched.
 *
 * @param isTarget - looks at the members that the module will use, so that a getter that throws does it here
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`
 */
export function expectTarget(what: string, target: unknown, isTarget: (target: Members) => boolean): void {
  readable(what, () => {
    if (!isObject(target) || !isTarget(target as Members)) {
      throw invalidOption(`Expected ${what}, got ${shownInstead(target)}`, TypeError);
    }
  });
}

/** Whether a member is an object, where it is there at all. */
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
    // The driver's own object: what is returned would be a copy that nobody uses.
    if (!isPlain(config)) throw refusal(what, config, { hint: '; give it the copy that this returns' });
    return { ...config };
  });
}

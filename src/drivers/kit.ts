import type net from 'node:net';
import {
  ASKED,
  DRIVER,
  holdSocket as hold,
  invalidOption,
  isObject,
  isPlain,
  listSocket,
  newSocketList,
  onErrorOf,
  parseKeepAliveOptions,
  readable,
  refusal,
  rightCallFor,
  SOCKETS,
  shownInstead,
  socketListOf,
  WRAPPED,
} from '#core';
import type { KeepAliveInput, KeepAliveSettings } from '../options/options.ts';
import type { HoldRequest } from '../sockets/hold-record.ts';
import type { OnError } from '../sockets/report.ts';
import type { SocketList } from '../sockets/socket-list.ts';

// A driver module may import nothing else, beside Node, its driver and the module of a driver under it.
export { isServer, keepAliveError, keepAliveServer, report, warnOnce } from '#core';
export type { HoldRequest, KeepAliveInput, OnError };

/** The hold that a driver module asks for on each connection. */
export interface DriverRequest extends HoldRequest {
  readonly settings: KeepAliveSettings;
  /** The sockets of the target, as `inspectKeepAlive` finds them there. */
  sockets: SocketList;
}

/** An object that has not been checked yet. */
export type Members = Readonly<Record<string, unknown>>;

/**
 * Checks the arguments that every driver module accepts beside its target.
 *
 * @param name - the module's function
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`
 */
export function driverRequest(
  name: string,
  options: KeepAliveInput,
  behaviour: { onError?: OnError | undefined },
): DriverRequest {
  return {
    settings: parseKeepAliveOptions(options),
    rank: DRIVER,
    onError: onErrorOf(behaviour),
    owner: { released: false, name },
    sockets: newSocketList(),
  };
}

/** Holds a socket of a target, and lists it there. */
export function holdSocket(socket: net.Socket, request: HoldRequest & { sockets?: SocketList }): void {
  hold(socket, request);
  if (request.sockets !== undefined && isObject(socket)) listSocket(request.sockets, socket);
}

/** Has what a module was given, or returns, list its sockets, for those of every later call too. */
export function listed<T extends object>(target: T, request: DriverRequest): T {
  const list = socketListOf(target);
  if (list !== undefined) request.sockets = list;
  // The proxy that an http2 session shows as its socket would refuse one that is not configurable.
  else Reflect.defineProperty(target, SOCKETS, { value: request.sockets, configurable: true });
  return target;
}

/**
 * Refuses an argument that is no target of a driver module, before anything is touched.
 *
 * @param request - its sockets are listed on the target
 * @param isTarget - reads the members that the module will use, so that a getter that throws does so here
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`
 */
export function expectTarget(
  what: string,
  target: unknown,
  isTarget: (target: Members) => boolean,
  request: DriverRequest,
): void {
  readable(what, () => {
    if (!isObject(target) || !isTarget(target as Members)) {
      throw invalidOption(`Expected ${what}, got ${shownInstead(target)}${rightCallFor(target)}`, TypeError);
    }
    listed(target, request);
  });
}

/** The request of the last call of a module for a target, and the function that is called with later connections. */
interface Asked {
  request: DriverRequest;
  readonly told: (...about: unknown[]) => void;
}

/**
 * Asks that something be done for each later connection of a target. Another call for the same target
 * replaces the request, even if it comes from another copy of this library.
 *
 * @param hold - does it, with what was asked for last
 * @returns what is called with each: the same function in each call for one target
 */
export function later<About extends unknown[]>(
  target: object,
  request: DriverRequest,
  hold: (request: DriverRequest, ...about: About) => void,
): (...about: About) => void {
  const marked = target as { [ASKED]?: Asked };
  if (marked[ASKED] === undefined) {
    const asked: Asked = { request, told: (...about: unknown[]) => hold(asked.request, ...(about as About)) };
    Object.defineProperty(target, ASKED, { value: asked });
    return asked.told;
  }
  marked[ASKED].request = request;
  return marked[ASKED].told;
}

/** {@link later}, called by an event, to which the target has one listener however often this is called. */
export function laterAt<About extends unknown[]>(
  target: object,
  event: string,
  request: DriverRequest,
  hold: (request: DriverRequest, ...about: About) => void,
): (...about: About) => void {
  const told = later(target, request, hold);
  const emitter = target as Pick<NodeJS.EventEmitter, 'on' | 'removeListener'>;
  // Somebody may have removed all listeners since the last call.
  emitter.removeListener(event, told as () => void);
  emitter.on(event, told as () => void);
  return told;
}

/**
 * Calls a function after each call of a method of a target, also those that the target makes itself, with what
 * it returned. It serves drivers that emit nothing when they begin to connect.
 */
export function afterEach(target: object, method: string, told: (result?: never) => void): void {
  const methods = target as Record<string, (...args: unknown[]) => unknown>;
  const own = methods[method];
  if (own === undefined || isInPlace(own)) return;
  methods[method] = inPlaceOf(own, (...args: unknown[]) => {
    const result = Reflect.apply(own, target, args);
    told(result as never);
    return result;
  });
}

/** Whether listeners can be added and removed. */
export function isEmitter({ on, removeListener }: Members): boolean {
  return isMethod(on) && isMethod(removeListener);
}

/** Marks a function of a module's own with the one in whose place it is, so that it is never wrapped again. */
export function inPlaceOf<F extends object>(wrapped: unknown, own: F): F {
  return Object.assign(own, { [WRAPPED]: wrapped });
}

/** Whether a function is a module's own, of whichever copy of this library. */
export function isInPlace(value: unknown): value is { readonly [WRAPPED]: unknown } {
  return isMethod(value) && WRAPPED in value;
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
 * A copy of a driver's configuration, each field of which is read once. In one that a module returned, the
 * module's own function is what was there before.
 *
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`
 */
export function copyOfConfig<T extends object>(what: string, config: T): T {
  return readable(what, () => {
    if (!isObject(config) || Array.isArray(config)) throw refusal(what, config);
    // This is the driver's own object, and nobody would use the copy that is returned.
    const rightCall = rightCallFor(config);
    if (rightCall || !isPlain(config)) {
      throw refusal(what, config, { hint: rightCall || '; give it the copy that this returns' });
    }
    const copy = { ...config };
    for (const [name, value] of Object.entries(copy)) {
      if (isInPlace(value)) Object.assign(copy, { [name]: value[WRAPPED] });
    }
    return copy;
  });
}

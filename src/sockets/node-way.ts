import net from 'node:net';
import { getSystemErrorName } from 'node:util';
import { type AppliedKeepAlive, expectAll, isForgotten, withSkipped } from '../kernel/calls.ts';
import { type KeepAliveSettings, type OptionName, optionNames } from '../options/options.ts';
import { markedHandle, PASSES } from './hold-record.ts';

/** Whether Node accepts an interval and a count too: since 24.19 and 26.4 (nodejs/node#63825). */
export const nodeTakesIntervalAndCount: boolean = net.Socket.prototype.setKeepAlive.length === 4;

/** Whether Node's own `setKeepAlive` can set an option. */
export function isWithinNodesReach(option: OptionName): boolean {
  if (option === 'enable' || option === 'initialDelay') return true;
  return (option === 'interval' || option === 'count') && nodeTakesIntervalAndCount;
}

/** Whether Node's own call is left for an option that the system's call does not set: on Windows before 10. */
export function isLeftToNode(option: OptionName): boolean {
  return isForgotten(option) && isWithinNodesReach(option);
}

/**
 * Calls Node's own `socket.setKeepAlive`, for a connection that this library cannot reach itself: in a
 * worker thread on Windows, or without koffi. Without an interval and a count Node writes 1 s and 10 beside the delay.
 *
 * @param strict - whether to throw if an option cannot be set, instead of naming it in `skipped`
 * @throws `ERR_KEEPALIVE_UNSUPPORTED`
 */
export function setWithNode(
  socket: net.Socket,
  settings: KeepAliveSettings,
  strict: boolean,
): AppliedKeepAlive {
  const taken = optionsTaken(settings);
  const without = (names: readonly OptionName[]) =>
    optionNames.filter((name) => settings[name] !== undefined && !names.includes(name));
  if (strict) expectAll(without(taken));
  const { enable } = settings;
  const timers = taken.slice(1).map((name) => settings[name]);
  const isTaken = enable === undefined || callNode(socket, enable, timers);
  const skipped = without(isTaken ? taken : []);
  if (strict) expectAll(skipped);
  return withSkipped(settings, skipped);
}

/** @returns whether the system accepted them, which only Node's handle returns */
function callNode(socket: net.Socket, enable: boolean, timers: readonly unknown[]): boolean {
  // The socket of an http2 session refuses to show the method, but shows the handle that it uses.
  const { setKeepAlive } = socket instanceof net.Socket ? net.Socket.prototype : socket;
  const handle = markedHandle(socket) ?? {};
  const own = Object.getOwnPropertyDescriptor(handle, 'setKeepAlive');
  const ofHandle = handle.setKeepAlive;
  let result: unknown;
  if (ofHandle !== undefined) {
    handle.setKeepAlive = function (...args) {
      result = Reflect.apply(ofHandle, this, args);
      return result as number;
    };
  }
  handle[PASSES] = true;
  try {
    // Node skips a call that equals its last one, even if a hold kept that one from the kernel.
    Reflect.apply(setKeepAlive, socket, [!enable]);
    Reflect.apply(setKeepAlive, socket, [enable, ...timers]);
  } finally {
    handle[PASSES] = false;
    if (own === undefined) Reflect.deleteProperty(handle, 'setKeepAlive');
    else Object.defineProperty(handle, 'setKeepAlive', own);
  }
  // A negative number is an error's. Bun's handle returns a boolean.
  if (typeof result !== 'number' || result >= 0) return true;
  // Without a delay Node passes 0, which is refused after probes were turned on.
  return timers.length === 0 && getSystemErrorName(result) === 'EINVAL';
}

/** The options that Node accepts: a delay if probes are turned on, an interval with a delay and a count. */
export function optionsTaken({
  enable,
  initialDelay,
  interval,
  count,
}: KeepAliveSettings): readonly OptionName[] {
  if (!enable || initialDelay === undefined) return ['enable'];
  if (!nodeTakesIntervalAndCount || interval === undefined || count === undefined) {
    return ['enable', 'initialDelay'];
  }
  return ['enable', 'initialDelay', 'interval', 'count'];
}

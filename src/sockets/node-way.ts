import net from 'node:net';
import { type AppliedKeepAlive, expectAll, withSkipped } from '../kernel/calls.ts';
import { type KeepAliveSettings, type OptionName, optionNames } from '../options/options.ts';
import { markedHandle, PASSES } from './hold-record.ts';

/** Whether Node accepts an interval and a count too: since 24.19 and 26.4 (nodejs/node#63825). */
export const nodeTakesIntervalAndCount: boolean = net.Socket.prototype.setKeepAlive.length === 4;

/** Whether Node's own `setKeepAlive` can set an option. */
export function isWithinNodesReach(option: OptionName): boolean {
  if (option === 'enable' || option === 'initialDelay') return true;
  return (option === 'interval' || option === 'count') && nodeTakesIntervalAndCount;
}

/**
 * Calls Node's own `socket.setKeepAlive`, for a connection that this library cannot reach itself: on Windows,
 * on Deno, or without koffi. Without an interval and a count Node writes 1 s and 10 beside the delay.
 *
 * @param strict - whether to throw if Node cannot set an option, instead of naming it in `skipped`
 * @throws `ERR_KEEPALIVE_UNSUPPORTED`
 */
export function setWithNode(
  socket: net.Socket,
  settings: KeepAliveSettings,
  strict: boolean,
): AppliedKeepAlive {
  const written = optionsTaken(settings);
  const skipped = optionNames.filter((name) => settings[name] !== undefined && !written.includes(name));
  if (strict) expectAll(skipped);
  if (settings.enable !== undefined)
    callNode(
      socket,
      settings.enable,
      written.slice(1).map((name) => settings[name]),
    );
  return withSkipped(settings, skipped);
}

function callNode(socket: net.Socket, enable: boolean, timers: readonly unknown[]): void {
  // The socket of an http2 session refuses to show the method, but shows the handle that it uses.
  const { setKeepAlive } = socket instanceof net.Socket ? net.Socket.prototype : socket;
  const handle = markedHandle(socket) ?? {};
  handle[PASSES] = true;
  try {
    // Node skips a call that equals its last one, even if a hold kept that one from the kernel.
    Reflect.apply(setKeepAlive, socket, [!enable]);
    Reflect.apply(setKeepAlive, socket, [enable, ...timers]);
  } finally {
    handle[PASSES] = false;
  }
}

/** The options that Node accepts: a delay if probes are turned on, an interval with a delay and a count. */
function optionsTaken({ enable, initialDelay, interval, count }: KeepAliveSettings): readonly OptionName[] {
  if (!enable || initialDelay === undefined) return ['enable'];
  if (!nodeTakesIntervalAndCount || interval === undefined || count === undefined) {
    return ['enable', 'initialDelay'];
  }
  return ['enable', 'initialDelay', 'interval', 'count'];
}

import net from 'node:net';
import { type AppliedKeepAlive, lacking, withSkipped } from '../kernel/calls.ts';
import { type KeepAliveSettings, type OptionName, optionNames } from '../options/options.ts';

/** Node 24.19 and 26.4 take an interval and a count too (nodejs/node#63825). */
export const nodeTakesIntervalAndCount: boolean = net.Socket.prototype.setKeepAlive.length === 4;

type SetKeepAlive = (enable: boolean, initialDelay?: number, interval?: number, count?: number) => unknown;

/**
 * Sets what Node's own `socket.setKeepAlive` can, for a connection that this library cannot reach
 * itself: on Windows, on Deno, or without koffi.
 *
 * Without an interval and a count Node writes 1 s and 10 beside the delay, whatever was there.
 *
 * @param strict - throw for what Node cannot set, instead of naming it in `skipped`
 * @throws `ERR_KEEPALIVE_UNSUPPORTED`
 */
export function setWithNode(
  socket: net.Socket,
  settings: KeepAliveSettings,
  strict: boolean,
): AppliedKeepAlive {
  const written = optionsWithinReach(settings);
  const skipped = optionNames.filter((name) => settings[name] !== undefined && !written.includes(name));
  if (strict && skipped.length > 0) throw lacking(skipped);
  if (settings.enable !== undefined) {
    const [enable, ...timers] = written.map((name) => settings[name]);
    const setKeepAlive = ownCallOf(socket);
    // Node skips a call that equals the last one it saw, also one that a hold kept from the kernel.
    Reflect.apply(setKeepAlive, socket, [!enable]);
    Reflect.apply(setKeepAlive, socket, [enable, ...timers]);
  }
  return withSkipped(settings, skipped);
}

/** http2's stand-in for a socket refuses to show the method, but shows what the method works on. */
function ownCallOf(socket: net.Socket): SetKeepAlive {
  const { setKeepAlive } = socket instanceof net.Socket ? net.Socket.prototype : socket;
  return setKeepAlive as SetKeepAlive;
}

/** Node takes a delay only to turn probes on, and an interval only with a delay and a count. */
function optionsWithinReach(settings: KeepAliveSettings): readonly OptionName[] {
  const { enable, initialDelay, interval, count } = settings;
  if (enable === undefined) return [];
  if (!enable || initialDelay === undefined) return ['enable'];
  if (!nodeTakesIntervalAndCount || interval === undefined || count === undefined) {
    return ['enable', 'initialDelay'];
  }
  return ['enable', 'initialDelay', 'interval', 'count'];
}

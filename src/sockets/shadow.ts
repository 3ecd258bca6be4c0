import type { KeepAliveSettings } from '../options/options.ts';
import { correctHandle } from './connection.ts';
import { HOLD, heldBy, type MarkedHandle, PASSES, SHADOWED, WAY } from './hold-record.ts';
import { attempt } from './report.ts';
import { noteErrorAtClose } from './unheard.ts';

/**
 * Replaces the `setKeepAlive` of the handle. A property of the socket would not be enough: a TLS socket over
 * it, and the proxy of http2, call the handle.
 */
export function shadow(handle: MarkedHandle): void {
  if (typeof handle.setKeepAlive !== 'function' || handle[SHADOWED] !== undefined) return;
  handle[SHADOWED] = handle.setKeepAlive;
  handle.setKeepAlive = setKeepAliveUnlessHeld;
  noteErrorAtClose(handle);
}

function setKeepAliveUnlessHeld(this: MarkedHandle, ...args: unknown[]): number {
  const hold = this[HOLD];
  const settings = heldBy(hold);
  if (settings !== undefined && isCovered(this, settings)) return 0;
  const result: number = Reflect.apply(this[SHADOWED] as () => number, this, args);
  // Node's call may have changed held fields, which only the kernel can read back.
  if (settings !== undefined && this[WAY] === 'kernel') {
    attempt(hold?.onError, () => correctHandle(this, settings));
  }
  return result;
}

/** Whether all that Node's call would set is held, so that it need not reach the kernel. */
function isCovered(handle: MarkedHandle, { initialDelay, interval, count }: KeepAliveSettings): boolean {
  // Settings with an initialDelay always have enable too.
  if (handle[PASSES] || initialDelay === undefined) return false;
  return handle[WAY] === 'node' || (interval !== undefined && count !== undefined);
}

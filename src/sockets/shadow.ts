import type { KeepAliveSettings } from '../options/options.ts';
import { watchClosing } from './closing.ts';
import { correctHandle } from './connection.ts';
import { announceRestored } from './events.ts';
import { ownerOf } from './handle.ts';
import { HOLD, heldBy, type MarkedHandle, PASSES, SHADOWED, WAY } from './hold-record.ts';
import { attempt } from './report.ts';

/**
 * Replaces the `setKeepAlive` of the handle. A property of the socket would not be enough: a TLS socket over
 * it, and the proxy of http2, call the handle.
 */
export function shadow(handle: MarkedHandle): void {
  if (typeof handle.setKeepAlive !== 'function' || handle[SHADOWED] !== undefined) return;
  handle[SHADOWED] = handle.setKeepAlive;
  handle.setKeepAlive = setKeepAliveUnlessHeld;
  watchClosing(handle);
}

function setKeepAliveUnlessHeld(this: MarkedHandle, ...args: unknown[]): number {
  const hold = this[HOLD];
  const settings = heldBy(hold);
  if (hold === undefined || settings === undefined) return callNodes(this, args);
  if (isCovered(this, settings)) {
    announceRestored(ownerOf(this), hold, settings, false);
    return 0;
  }
  const result = callNodes(this, args);
  // Node's call may have changed held fields, which only the kernel can read back.
  if (this[WAY] === 'kernel') {
    attempt(hold.onError, () => {
      if (correctHandle(this, settings)) announceRestored(ownerOf(this), hold, settings, true);
    });
  }
  return result;
}

function callNodes(handle: MarkedHandle, args: unknown[]): number {
  return Reflect.apply(handle[SHADOWED] as () => number, handle, args);
}

/** Whether all that Node's call would set is held, so that it need not reach the kernel. */
function isCovered(handle: MarkedHandle, { initialDelay, interval, count }: KeepAliveSettings): boolean {
  // Settings with an initialDelay always have enable too.
  if (handle[PASSES] || initialDelay === undefined) return false;
  return handle[WAY] === 'node' || (interval !== undefined && count !== undefined);
}

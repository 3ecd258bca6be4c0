import { executionAsyncResource } from 'node:async_hooks';
import { announceLoss } from './events.ts';
import { ownerOf, type TcpHandle, tcpHandle } from './handle.ts';
import { GIVEN, HOLD, heldBy, type MarkedHandle } from './hold-record.ts';
import { lossOf } from './loss.ts';
import { attempt } from './report.ts';
import { noteFailure } from './unheard.ts';
import { unwatch } from './watched.ts';

/** The errors of connections that have ended: a pipeline ends its other sockets with the same one. */
const known = new WeakSet<object>();

/**
 * Notes the error with which a connection ends, and announces its loss.
 *
 * This is done when Node closes the handle: a listener would be visible on the socket, and would miss the error of a
 * TLS socket that was started on it. The descriptor is open until then, and shows what the kernel knows of the loss.
 */
export function watchClosing(handle: MarkedHandle): void {
  // Another tool's own `close` is left alone.
  if (!Object.hasOwn(handle, 'close')) handle.close = noteThenClose;
  // resetAndDestroy() closes a handle by this one.
  if (handle.reset !== undefined && !Object.hasOwn(handle, 'reset')) handle.reset = forgetThenReset;
}

function forgetThenReset(this: MarkedHandle, ...args: unknown[]): unknown {
  unwatch(this);
  const { reset } = Object.getPrototypeOf(this) as Required<TcpHandle>;
  return Reflect.apply(reset, this, args);
}

function noteThenClose(this: MarkedHandle, ...args: unknown[]): unknown {
  attempt(undefined, () => noteEnd(this));
  unwatch(this);
  const { close } = Object.getPrototypeOf(this) as Required<TcpHandle>;
  return Reflect.apply(close, this, args);
}

function noteEnd(handle: MarkedHandle): void {
  const { [HOLD]: hold = handle[GIVEN] } = handle;
  const socket = ownerOf(handle);
  if (hold === undefined || heldBy(hold) === undefined || socket === undefined) return;
  const error = socket.errored ?? errorOfTlsOver(handle);
  if (!error || known.has(error)) return;
  known.add(error);
  announceLoss(socket, hold, () => lossOf(socket, handle, error));
  if (hold === handle[HOLD]) noteFailure(socket, handle, hold, error);
}

/**
 * The error of a TLS socket that was started on a connection. Nothing leads from the connection to it, but Node closes
 * the one while it handles what the other has read.
 */
function errorOfTlsOver(handle: MarkedHandle): Error | null | undefined {
  const socket = ownerOf(executionAsyncResource());
  return socket !== undefined && tcpHandle(socket) === handle ? socket.errored : undefined;
}

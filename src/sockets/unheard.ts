import { executionAsyncResource } from 'node:async_hooks';
import type net from 'node:net';
import { hostText, printable } from '../options/show.ts';
import { ownerOf, type TcpHandle, tcpHandle } from './handle.ts';
import { ADDRESS, HOLD, heldBy, type MarkedHandle, markedHandle, PORT } from './hold-record.ts';
import { attempt, printLine } from './report.ts';
import { unwatch } from './watched.ts';

const MONITOR = 'uncaughtExceptionMonitor';

/** The connection that each error has ended, as the line names it. */
const connections = new WeakMap<object, string>();

/**
 * Notes the error with which a held connection ends. If nobody hears of it and the process ends, one line says
 * which connection it was and what to add. Nothing else changes.
 *
 * This is done when Node closes the handle: a listener would be visible on the socket, and would miss the error of a
 * TLS socket that was started on it.
 */
export function noteErrorAtClose(handle: MarkedHandle): void {
  // Another tool's own `close` is left alone.
  if (!Object.hasOwn(handle, 'close')) handle.close = noteErrorThenClose;
}

/** Notes where a connection goes, because the kernel has forgotten it when the connection is lost. */
export function notePeer(socket: net.Socket, address: string, port: number): void {
  const handle = markedHandle(socket);
  if (handle === undefined) return;
  // Node has the name, if there is one, and an address that was looked up would be kept in memory for this only.
  if (lookedUpName(socket) === undefined) handle[ADDRESS] = address;
  handle[PORT] = port;
}

function noteErrorThenClose(this: MarkedHandle, ...args: unknown[]): unknown {
  attempt(undefined, () => noteError(this));
  unwatch(this);
  const { close } = Object.getPrototypeOf(this) as Required<TcpHandle>;
  return Reflect.apply(close, this, args);
}

function noteError(handle: MarkedHandle): void {
  const hold = handle[HOLD];
  const socket = ownerOf(handle);
  if (heldBy(hold) === undefined || socket === undefined) return;
  const error = socket.errored ?? errorOfTlsOver(handle);
  // A pipeline ends its other sockets with the same error.
  if (!error || connections.has(error)) return;
  connections.set(error, `${connectionText(socket, handle)}, held by ${hold?.owner?.name ?? 'keepAlive'},`);
  if (!process.listeners(MONITOR).includes(tell)) process.on(MONITOR, tell);
}

/**
 * The error of a TLS socket that was started on a connection. Nothing leads from the connection to it, but Node closes
 * the one while it handles what the other has read.
 */
function errorOfTlsOver(handle: MarkedHandle): Error | null | undefined {
  const socket = ownerOf(executionAsyncResource());
  return socket !== undefined && tcpHandle(socket) === handle ? socket.errored : undefined;
}

function connectionText(socket: net.Socket, handle: MarkedHandle): string {
  const host = hostText(lookedUpName(socket), socket.remoteAddress ?? handle[ADDRESS]);
  const port = socket.remotePort ?? handle[PORT];
  if (host === undefined) return 'a connection';
  return `the connection to ${host}${port === undefined ? '' : `:${port}`}`;
}

/** Node keeps the name that was looked up for a socket, but shows it only in `'lookup'`. */
function lookedUpName(socket: net.Socket): string | undefined {
  return (socket as { _host?: string | null })._host ?? undefined;
}

function tell(error: Error, origin: NodeJS.UncaughtExceptionOrigin): void {
  const connection = connections.get(error);
  const cause = origin === 'unhandledRejection' ? REJECTION : isUnheard(error) ? EVENT : undefined;
  if (connection === undefined || cause === undefined) return;
  connections.delete(error);
  printLine(`${connection} failed (${printable(error.message)}), and ${cause}`);
}

const EVENT =
  "nobody listens for its 'error' event. Add a listener to the pool, client or socket that emits it: " +
  "pool.on('error', (error) => ...)";
const REJECTION =
  'nobody handles the promise that it rejected. Await the promise in a try block, or add .catch((error) => ...)';

/** Whether `emit` threw the error because there was no listener, and not a listener that had got it. */
function isUnheard(error: object): boolean {
  // Node marks such an error, in order to print later who emitted it.
  return Object.getOwnPropertySymbols(error).some(
    ({ description }) => description === 'kEnhanceStackBeforeInspector',
  );
}

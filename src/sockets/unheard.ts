import type net from 'node:net';
import { hostText, printable } from '../options/show.ts';
import { type Hold, holderOf, type MarkedHandle } from './hold-record.ts';
import { peerOf } from './peer.ts';
import { printLine } from './report.ts';

const MONITOR = 'uncaughtExceptionMonitor';

/** The connection that each error has ended, as the line names it. */
const connections = new WeakMap<object, string>();

/**
 * Notes the error with which a held connection ends. If nobody hears of it and the process ends, one line says
 * which connection it was and what to add. Nothing else changes.
 */
export function noteFailure(socket: net.Socket, handle: MarkedHandle, hold: Hold, error: Error): void {
  const { rank, name } = holderOf(hold);
  const holder = rank === 'rule' ? `the rule ${name}` : name;
  connections.set(error, `${connectionText(socket, handle)}, held by ${holder},`);
  if (!process.listeners(MONITOR).includes(tell)) process.on(MONITOR, tell);
}

function connectionText(socket: net.Socket, handle: MarkedHandle): string {
  const { host, address, port } = peerOf(socket, handle);
  const named = hostText(host, address);
  if (named === undefined) return 'a connection';
  return `the connection to ${named}${port === undefined ? '' : `:${port}`}`;
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

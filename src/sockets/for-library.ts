import type net from 'node:net';
import { refusal } from '../options/fields.ts';
import type { KeepAliveInput } from '../options/options.ts';
import { parseKeepAliveOptions } from '../options/parse.ts';
import { holdSocket } from './hold.ts';
import { LIBRARY } from './hold-record.ts';
import { type OnError, onErrorOf } from './report.ts';

/**
 * Holds keepalive timers on a socket for a library, as {@link keepAlive} does for a program, but with the lowest rank:
 * `keepAlive` and `setKeepAlive`, a driver's module and a rule of the process beat it, in whatever order they come, and so
 * does a rule with `use: false`. A library that calls `keepAlive` instead beats whoever operates the program.
 *
 * @param name - the library's name, for messages: `held by my-client`
 * @param socket - a TCP or TLS socket, opened or accepted, connected or not
 * @param options - a preset's name, or options in milliseconds
 * @param behaviour - `onError`: called with what could not be set, instead of a process warning
 * @returns the same socket
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`, before the socket is touched
 *
 * @example
 * ```ts
 * const socket = keepAliveFor('my-client', net.connect(7000, host), 'database');
 * ```
 */
export function keepAliveFor<S extends net.Socket>(
  name: string,
  socket: S,
  options: KeepAliveInput,
  behaviour: { onError?: OnError | undefined } = {},
): S {
  if (typeof name !== 'string' || name === '') throw refusal("a library's name", name);
  const request = { settings: parseKeepAliveOptions(options), onError: onErrorOf(behaviour) };
  holdSocket(socket, { ...request, rank: LIBRARY, owner: { released: false, name } });
  return socket;
}

import type net from 'node:net';
import { invalidOption, isNotTcp, keepAliveError } from '../options/errors.ts';
import { readable } from '../options/fields.ts';
import type { KeepAliveInput, KeepAliveSettings } from '../options/options.ts';
import { parseKeepAliveOptions } from '../options/parse.ts';
import { shownInstead } from '../options/show.ts';
import { correct } from './connection.ts';
import { hidesErrors, reportErrorAtEnd } from './ending.ts';
import { isLossHeard } from './events.ts';
import { noteGiven } from './given.ts';
import { EXPLICIT, type Hold, type HoldOwner, SERVER } from './hold-record.ts';
import { ALL, isServer, type Listener, nextInherits, setListener } from './listener.ts';
import { attempt, type OnError, onErrorOf, report } from './report.ts';
import { rightCallFor } from './right-call.ts';

/** The settings for a server's connections, kept on the server for every copy of this library to see. */
interface ServerKeepAlive extends Listener {
  settings: KeepAliveSettings;
  onError: OnError | undefined;
  readonly onConnection: (socket: net.Socket) => void;
  /** For those who want to hear of losses. Otherwise no listener is added, so that a connection costs nothing. */
  readonly onInherited: (socket: net.Socket) => void;
}

type MarkedServer = net.Server & { [SERVER]?: ServerKeepAlive };

/**
 * Sets keepalive timers on every connection that a server accepts, before or after `listen()`, and
 * again after `close()` and another `listen()`. It accepts `net`, `tls`, `http` and `https` servers.
 *
 * On Linux they are set on the listening socket, from which accepted sockets inherit at no cost per
 * connection; those that were already in the accept queue are set one by one. So is every connection on
 * other systems, in a cluster worker, which has no listening socket, and if the server's own `keepAlive`
 * option would overwrite what was inherited.
 *
 * A Unix listener is skipped. `onError` is called with any other error, or a process warning is emitted once
 * for each code. Process rules skip the connections of such a server.
 *
 * Calling it again replaces the options, for connections accepted from then on. Fields that are left out
 * stay on the listening socket as an earlier call set them, until the next `listen()`.
 *
 * @param server - the server itself, such as the result of `app.listen()`
 * @param options - a preset's name, or options in milliseconds
 * @param behaviour - `onError`: called with what could not be set, instead of a process warning
 * @returns the same server
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`
 *
 * @example
 * ```ts
 * keepAliveServer(http.createServer(handler), 'websocket').listen(8080);
 * ```
 */
export function keepAliveServer<S extends net.Server>(
  server: S,
  options: KeepAliveInput,
  behaviour: { onError?: OnError | undefined } = {},
): S {
  const onError = onErrorOf(behaviour);
  const settings = parseKeepAliveOptions(options);
  readable('a net.Server', () => {
    if (!isServer(server)) throw notServer(server);
  });
  try {
    const keepAlive = (server as MarkedServer)[SERVER] ?? attachTo(server, settings);
    Object.assign(keepAlive, { settings, onError });
    if (server.listening) applyToListener(server, keepAlive);
  } catch (error) {
    report(unreadableServer(error), onError);
  }
  return server;
}

function unreadableServer(cause: unknown): Error {
  const message = 'Expected a net.Server, got a value that cannot be used as one';
  return keepAliveError('ERR_KEEPALIVE_NOT_TCP', message, { cause });
}

/** The settings of the last `keepAliveServer`, if there was one. */
export function serverSettings(server: net.Server): KeepAliveSettings | undefined {
  return (server as MarkedServer)[SERVER]?.settings;
}

function notServer(value: unknown): Error {
  const hint = rightCallFor(value) || '; pass the server itself, such as what app.listen() returns';
  return invalidOption(`Expected a net.Server, got ${shownInstead(value)}${hint}`, TypeError);
}

function attachTo(server: MarkedServer, settings: KeepAliveSettings): ServerKeepAlive {
  const keepAlive: ServerKeepAlive = {
    settings,
    onError: undefined,
    oneByOne: ALL,
    onConnection: (socket) => attempt(keepAlive.onError, () => setNext(server, keepAlive, socket)),
    onInherited: (socket) => attempt(keepAlive.onError, () => noteGiven(socket, givenBy(keepAlive))),
  };
  server[SERVER] = keepAlive;
  if (hidesErrors) server.on('connection', reportErrorAtEnd).on('secureConnection', reportErrorAtEnd);
  server.on('listening', () => attempt(keepAlive.onError, () => applyToListener(server, keepAlive)));
  return keepAlive;
}

function applyToListener(server: net.Server, keepAlive: ServerKeepAlive): void {
  keepAlive.oneByOne = setListener(server, keepAlive.settings, keepAlive.onError);
  const { onConnection, onInherited } = keepAlive;
  server.removeListener('connection', onConnection).removeListener('connection', onInherited);
  if (isLossHeard()) server.on('connection', onInherited);
  // Prepended, so that options which the server's own listeners set stay.
  if (keepAlive.oneByOne > 0) server.prependListener('connection', onConnection);
}

function setNext(server: net.Server, keepAlive: ServerKeepAlive, socket: net.Socket): void {
  nextInherits(keepAlive);
  if (keepAlive.oneByOne === 0) server.removeListener('connection', keepAlive.onConnection);
  if (socket.destroyed) return;
  try {
    correct(socket, keepAlive.settings, keepAlive.onError);
    noteGiven(socket, givenBy(keepAlive), true);
  } catch (error) {
    if (!isNotTcp(error)) throw error;
  }
}

const owner: HoldOwner = { released: false, name: 'keepAliveServer' };

/** The request by which the connections of a server were set. */
function givenBy({ settings, onError }: ServerKeepAlive): Hold {
  return { settings, rank: EXPLICIT, onError, owner, listens: false };
}

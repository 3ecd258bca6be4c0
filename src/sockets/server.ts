import type net from 'node:net';
import { writeSettings } from '../kernel/settings.ts';
import { isNotTcp, isOurs, keepAliveError } from '../options/errors.ts';
import type { KeepAliveInput, KeepAliveSettings } from '../options/options.ts';
import { parseKeepAliveOptions } from '../options/parse.ts';
import { writeToSocket } from './connection.ts';
import { unreadable } from './handle.ts';
import { SERVER } from './hold-record.ts';
import { setListener } from './listener.ts';
import { setWithNode } from './node-way.ts';
import { type OnError, onErrorOf, report } from './report.ts';

/** What a server's connections are to get; on the server, for every copy of this library to see. */
interface ServerKeepAlive {
  settings: KeepAliveSettings;
  onError: OnError | undefined;
  /** How many of the next connections are set one by one, since they do not inherit. */
  oneByOne: number;
  readonly onConnection: (socket: net.Socket) => void;
}

type MarkedServer = net.Server & { [SERVER]?: ServerKeepAlive };

/**
 * Sets keepalive timers on every connection that a server accepts, before or after `listen()`, and
 * again after `close()` and another `listen()`. Takes `net`, `tls`, `http` and `https` servers.
 *
 * On Linux they are set on the listening socket, from which accepted sockets inherit at no cost per
 * connection; those that were in the kernel's accept queue before are set one by one. So is every
 * connection where there is no listening socket to reach (a cluster worker), where the server's own
 * `keepAlive` option would overwrite what was inherited, and on other systems.
 *
 * A Unix listener is left alone. Any other error goes to `onError`, or is given as a process warning
 * once for each code. A process rule leaves such a server's connections alone.
 *
 * Calling it again replaces the options, for connections accepted from then on. Fields that are left out
 * stay as they are on a listening socket, with what an earlier call set, until the next `listen()`.
 *
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
  attempt(onError, () => {
    if (!isServer(server)) throw noServer();
    const keepAlive = (server as MarkedServer)[SERVER] ?? attachTo(server, { settings, onError });
    Object.assign(keepAlive, { settings, onError });
    if (server.listening) applyToListener(server, keepAlive);
  });
  return server;
}

/** What `keepAliveServer` was asked for last, if it was. */
export function serverSettings(server: net.Server): KeepAliveSettings | undefined {
  return (server as MarkedServer)[SERVER]?.settings;
}

/** What is no real server must neither end the call nor the process, from inside one of its events. */
function attempt(onError: OnError | undefined, work: () => void): void {
  try {
    work();
  } catch (error) {
    report(isOurs(error) ? error : noServer(error), onError);
  }
}

/** Not by its class, which is another one in Bun's `http`. */
function isServer(server: Partial<net.Server> | null | undefined): boolean {
  return typeof server?.address === 'function' && typeof server.prependListener === 'function';
}

function noServer(cause?: unknown): Error {
  return keepAliveError(
    'ERR_KEEPALIVE_NOT_TCP',
    'Expected a net.Server, got another object; pass the server itself, such as what app.listen() returns',
    { cause },
  );
}

function attachTo(
  server: MarkedServer,
  request: Pick<ServerKeepAlive, 'settings' | 'onError'>,
): ServerKeepAlive {
  const keepAlive: ServerKeepAlive = {
    ...request,
    oneByOne: 0,
    onConnection: (socket) => attempt(keepAlive.onError, () => setNext(server, keepAlive, socket)),
  };
  server[SERVER] = keepAlive;
  server.on('listening', () => attempt(keepAlive.onError, () => applyToListener(server, keepAlive)));
  return keepAlive;
}

function applyToListener(server: net.Server, keepAlive: ServerKeepAlive): void {
  const { settings, onError } = keepAlive;
  keepAlive.oneByOne = setListener(server, (fd) => writeSettings(fd, settings, false), onError);
  server.removeListener('connection', keepAlive.onConnection);
  // First, so that what the server's own code sets stays.
  if (keepAlive.oneByOne > 0) server.prependListener('connection', keepAlive.onConnection);
}

function setNext(server: net.Server, keepAlive: ServerKeepAlive, socket: net.Socket): void {
  keepAlive.oneByOne -= 1;
  if (keepAlive.oneByOne <= 0) server.removeListener('connection', keepAlive.onConnection);
  if (socket.destroyed) return;
  try {
    const { settings } = keepAlive;
    if (!writeToSocket(socket, settings)) setWithNode(socket, settings, false);
  } catch (thrown) {
    const error = unreadable(thrown);
    if (!isNotTcp(error)) report(error, keepAlive.onError);
  }
}

/** Keepalive timers for connections of Node's `http` and `https`. @module tcp-keepalive/http */
import type net from 'node:net';
import {
  driverRequest,
  expectTarget,
  holdSocket,
  inPlaceOf,
  isInPlace,
  isMethod,
  isServer,
  type KeepAliveInput,
  keepAliveServer,
  later,
  type Members,
  type OnError,
} from './kit.ts';

type SocketsByName = Readonly<Record<string, readonly net.Socket[] | undefined>>;

/** An `http.Agent` or `https.Agent`, or one that extends them. */
export interface HttpAgent {
  readonly sockets: SocketsByName;
  readonly freeSockets: SocketsByName;
}

type Connected = (error: Error | null, socket?: net.Socket) => void;

/** Node documents this method, but its types before 22 lack it. */
interface Connects {
  createConnection(options: object, connected?: Connected): net.Socket | null | undefined;
}

/**
 * Holds keepalive timers on every connection of an agent, `http` or `https`, or sets them on those that
 * a server accepts. An agent's open connections get them at once, idle or not, and each later one has them
 * from its first SYN on. They stay when Node resets a connection that becomes idle, and
 * when axios sets its own on each request.
 *
 * They apply to all that use the agent: `http.get`, axios (`httpAgent`, `httpsAgent`), got, node-fetch, the
 * AWS SDK (`requestHandler`). For requests without an agent, pass `http.globalAgent`. `fetch` has no agent:
 * see `tcp-keepalive/undici`.
 *
 * A server is passed to `keepAliveServer`: connections that it has accepted already stay as they are.
 *
 * A vanished peer now fails the request in flight with `ETIMEDOUT`, and raises `'clientError'` on a server.
 * An agent drops an idle connection without an error.
 *
 * @param target - an agent, or a server of `http`, `https`, `net` or `tls`
 * @param options - a preset's name, or options in milliseconds
 * @param behaviour - `onError`: called with what could not be set, instead of a process warning
 * @returns the same agent or server
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`, before anything is touched
 *
 * @example
 * ```ts
 * const agent = keepAliveHttp(new https.Agent({ keepAlive: true }), 'loadBalancer');
 * ```
 */
export function keepAliveHttp<T extends HttpAgent | net.Server>(
  target: T,
  options: KeepAliveInput,
  behaviour: { onError?: OnError | undefined } = {},
): T {
  const request = driverRequest('keepAliveHttp', options, behaviour);
  expectTarget('an http.Agent, an https.Agent or a server', target, isAgentOrServer, request);
  if (isServer(target)) return keepAliveServer(target, options, behaviour);
  for (const open of openSockets(target)) holdSocket(open, request);
  const hold = later(target, request, (asked, socket: net.Socket) => holdSocket(socket, asked));
  holdCreated(target as unknown as Connects, hold);
  return target;
}

function isAgentOrServer(target: Members): boolean {
  const { sockets, freeSockets, createConnection } = target;
  return isServer(target) || (!!sockets && !!freeSockets && isMethod(createConnection));
}

function openSockets({ sockets, freeSockets }: HttpAgent): net.Socket[] {
  return [sockets, freeSockets].flatMap((byName) => Object.values(byName).flatMap((open) => open ?? []));
}

/** An agent returns a connection at once, or passes it to the callback later, as a proxy agent does. */
function holdCreated(agent: Connects, hold: (socket: net.Socket) => void): void {
  const { createConnection } = agent;
  if (isInPlace(createConnection)) return;
  agent.createConnection = inPlaceOf(createConnection, (options: object, connected?: Connected) => {
    const handedOver: Connected = (error, socket) => {
      if (socket) hold(socket);
      connected?.(error, socket);
    };
    const socket = Reflect.apply(createConnection, agent, [options, connected && handedOver]);
    if (socket) hold(socket);
    return socket;
  });
}

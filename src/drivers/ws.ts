/** Keepalive timers for the WebSockets of `ws`. @module tcp-keepalive/ws */
import type { ClientRequest } from 'node:http';
import type net from 'node:net';
import {
  type DriverRequest,
  driverRequest,
  expectTarget,
  type HoldRequest,
  holdSocket,
  isEmitter,
  isMethod,
  isObjectOrAbsent,
  type KeepAliveInput,
  keepAliveError,
  laterAt,
  type Members,
  type OnError,
  report,
} from './kit.ts';

interface HttpMessage {
  readonly socket: net.Socket;
}

/** A `WebSocket` of ws, a client's or a server's. */
export interface WsSocket {
  readonly readyState: number;
  on(event: 'upgrade', listener: (response: HttpMessage) => void): unknown;
}

/** A `WebSocketServer` of ws. */
export interface WsServer {
  /** Absent if `clientTracking` is `false`. */
  readonly clients?: Iterable<WsSocket>;
  on(event: 'headers', listener: (headers: string[], request: HttpMessage) => void): unknown;
}

/**
 * Members that the types of ws do not name: the socket, which is null while a WebSocket connects, and the request that
 * is to be upgraded, which is null after that.
 */
interface Internals {
  readonly _socket?: net.Socket | null;
  readonly _req?: ClientRequest | null;
}

/** `WebSocket.OPEN`. */
const OPEN = 1;

/**
 * Holds keepalive timers on the connection of a `ws` WebSocket, or on every connection of its server: on
 * those that are open, and on each later one. A client's connection has them from its first SYN on, a server's when the
 * server answers the handshake. TLS works too.
 *
 * A server that accepts a connection and then says nothing is bounded by ws's `handshakeTimeout` only, which is off by
 * default for clients: set it too. A client that is connecting is found in the private `_req`, and after a redirect it is
 * found when the handshake is over. A connection that is open already is found in the private `_socket`. If a version lacks that, or with
 * `clientTracking: false`, a server's open connections stay as they are.
 *
 * A vanished peer now ends the WebSocket: `'close'` with code 1006, because ws hides the `ETIMEDOUT`. TCP
 * cannot see a peer that hangs while its kernel answers, nor a peer behind a proxy: for these see
 * `heartbeatWs`.
 *
 * @param target - a `WebSocket` or a `WebSocketServer`
 * @param options - a preset's name, or options in milliseconds
 * @param behaviour - `onError`: called with what could not be set, instead of a process warning
 * @returns the same WebSocket or server
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`, before anything is touched
 *
 * @example
 * ```ts
 * const server = keepAliveWs(new WebSocketServer({ port: 8080 }), 'websocket');
 * ```
 */
export function keepAliveWs<T extends WsSocket | WsServer>(
  target: T,
  options: KeepAliveInput,
  behaviour: { onError?: OnError | undefined } = {},
): T {
  const request = driverRequest('keepAliveWs', options, behaviour);
  expectTarget('a WebSocket or WebSocketServer of ws', target, isSocketOrServer, request);
  if (isSocket(target)) holdOne(target, request);
  else holdServer(target, request);
  return target;
}

function isSocketOrServer(target: Members): boolean {
  const { readyState, terminate, _socket, handleUpgrade, clients } = target;
  if (!isEmitter(target)) return false;
  if ('readyState' in target) {
    return typeof readyState === 'number' && isMethod(terminate) && isObjectOrAbsent(_socket);
  }
  return isMethod(handleUpgrade) && (clients === undefined || isIterable(clients));
}

function isIterable(value: unknown): value is Iterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.iterator in value;
}

function isSocket(target: WsSocket | WsServer): target is WsSocket {
  return 'readyState' in target;
}

function holdOne(webSocket: WsSocket, request: DriverRequest): void {
  if (webSocket.readyState === OPEN) holdOpen(webSocket, request);
  else holdConnecting(webSocket, request);
}

function holdConnecting(webSocket: WsSocket, request: DriverRequest): void {
  const told = laterAt(webSocket, 'upgrade', request, (asked, about: HttpMessage | net.Socket) => {
    holdSocket('socket' in about ? about.socket : about, asked);
  });
  // The handshake is upgraded at its end. Its request has the socket while that is still connecting.
  const { _req: upgrading } = webSocket as Internals;
  if (upgrading?.socket) told(upgrading.socket);
  else upgrading?.removeListener('socket', told).on('socket', told);
}

function holdServer(server: WsServer, request: DriverRequest): void {
  for (const webSocket of server.clients ?? []) holdOpen(webSocket, request);
  // 'connection' would not do: with noServer, ws leaves it to the caller to emit that.
  laterAt(server, 'headers', request, (asked, _headers: string[], { socket }: HttpMessage) =>
    holdSocket(socket, asked),
  );
}

function holdOpen(webSocket: WsSocket, request: HoldRequest): void {
  const { _socket: socket } = webSocket as Internals;
  if (socket) holdSocket(socket, request);
  else report(noSocket(), request.onError);
}

function noSocket(): Error {
  return keepAliveError(
    'ERR_KEEPALIVE_NOT_TCP',
    'Expected an open WebSocket of ws, got one without a socket; call keepAliveWs before it connects',
  );
}

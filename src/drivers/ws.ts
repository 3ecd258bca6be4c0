/**
 * Keepalive timers for WebSockets of `ws`.
 *
 * @module tcp-keepalive/ws
 */
import type net from 'node:net';
import {
  driverRequest,
  expectTarget,
  type HoldRequest,
  holdSocket,
  isMethod,
  isObjectOrAbsent,
  type KeepAliveInput,
  keepAliveError,
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
  /** Absent with `clientTracking: false`. */
  readonly clients?: Iterable<WsSocket>;
  on(event: 'headers', listener: (headers: string[], request: HttpMessage) => void): unknown;
}

/** ws names no socket in its types. One that is connecting has null. */
interface Internals {
  readonly _socket?: net.Socket | null;
}

/** `WebSocket.OPEN`. */
const OPEN = 1;

/**
 * Holds keepalive timers on the connection of a `ws` WebSocket, or on every connection of its server: on
 * those that are open, and on each later one: a client's when the WebSocket handshake is done, a server's
 * when it answers it. With TLS too.
 *
 * What comes before is bounded by ws's `handshakeTimeout` only, which is off by default for clients: set
 * it too, or give the client an agent: `new WebSocket(url, { agent: keepAliveHttp(new http.Agent(), ...) })`.
 * A connection that is open already is found in the private `_socket`; in a version without it, and with
 * `clientTracking: false`, a server's open connections stay as they are.
 *
 * A vanished peer now ends the WebSocket: `'close'` with code 1006. ws tells nobody the `ETIMEDOUT`. TCP
 * cannot see a peer that is stuck but whose kernel answers, nor what is behind a proxy: for these see
 * `heartbeatWs`.
 *
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
  const request = driverRequest(options, behaviour);
  expectTarget('a WebSocket or WebSocketServer of ws', target, isSocketOrServer);
  if (isSocket(target)) holdOne(target, request);
  else holdServer(target, request);
  return target;
}

function isSocketOrServer({ on, clients, _socket }: Members): boolean {
  return isMethod(on) && (clients === undefined || isIterable(clients)) && isObjectOrAbsent(_socket);
}

function isIterable(value: unknown): value is Iterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.iterator in value;
}

function isSocket(target: WsSocket | WsServer): target is WsSocket {
  return 'readyState' in target;
}

function holdOne(webSocket: WsSocket, request: HoldRequest): void {
  if (webSocket.readyState === OPEN) holdOpen(webSocket, request);
  else webSocket.on('upgrade', ({ socket }) => holdSocket(socket, request));
}

function holdServer(server: WsServer, request: HoldRequest): void {
  for (const webSocket of server.clients ?? []) holdOpen(webSocket, request);
  // Not 'connection', which with noServer is the caller's to emit.
  server.on('headers', (_, { socket }) => holdSocket(socket, request));
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

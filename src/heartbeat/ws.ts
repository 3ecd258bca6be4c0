import type net from 'node:net';
import { readable, refusal } from '../options/fields.ts';
import { beat, type Heartbeat, oncePer, type Target } from './heartbeat.ts';
import { checkMethods, type Ready, type ReadyHeartbeatOptions, readReady } from './options.ts';

type Listener = (data: Buffer) => void;

/** The members that are used of a `WebSocket` of the `ws` package, opened or accepted. */
export interface PingableSocket {
  readonly readyState: number;
  ping(data: string): void;
  terminate(): void;
  on(event: 'pong', listener: Listener): unknown;
  on(event: 'close', listener: () => void): unknown;
  removeListener(event: 'pong', listener: Listener): unknown;
  removeListener(event: 'close', listener: () => void): unknown;
}

/** The members that are used of a `WebSocketServer` of the `ws` package. */
export interface PingableServer<Socket extends PingableSocket> {
  readonly clients: ReadonlySet<Socket>;
  on(event: 'close', listener: () => void): unknown;
  removeListener(event: 'close', listener: () => void): unknown;
}

/** The socket, which the types of ws do not name. It is null while a WebSocket connects. */
interface Internals {
  readonly _socket?: net.Socket | null;
}

const OPEN = 1;
const CLOSED = 3;

/**
 * Pings a WebSocket, on either side, or all clients of a server with one timer, and terminates those that do
 * not answer. It accepts the objects of the `ws` package. Browsers and `ws` answer pings automatically.
 * Anything that the peer sends counts as its answer, which may wait behind a long message. A socket that the
 * program has paused is not given up, since no answer can arrive on it.
 *
 * The heartbeat ends with the socket or the server.
 *
 * @param socketOrServer - a `WebSocket`, or a `WebSocketServer` that tracks its clients
 * @param options - the rhythm, a signal that ends the heartbeat, and `onDead`
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`
 *
 * @example
 * ```ts
 * heartbeatWs(new WebSocketServer({ port: 8080 }));
 * ```
 */
export function heartbeatWs<Socket extends PingableSocket>(
  socketOrServer: Socket | PingableServer<Socket>,
  options: ReadyHeartbeatOptions<Socket> = {},
): Heartbeat {
  const sockets = readable(EXPECTED, () => socketsOf(socketOrServer));
  const ready = readReady(options);
  const targetOf = oncePer((socket: Socket) => newTarget(socket, ready));
  const beating = beat(() => openOnes(sockets).map(targetOf), ready, socketOrServer);
  if ((socketOrServer as Partial<PingableSocket>).readyState === CLOSED) beating.stop();
  return beating;
}

const EXPECTED = 'a WebSocket, or a WebSocketServer that tracks its clients (clientTracking)';

function socketsOf<Socket extends PingableSocket>(
  socketOrServer: Socket | PingableServer<Socket>,
): Iterable<Socket> {
  checkMethods(EXPECTED, socketOrServer, ['on', 'removeListener']);
  const { clients, ping } = socketOrServer as Partial<PingableServer<Socket> & PingableSocket>;
  if (typeof clients?.[Symbol.iterator] === 'function') return clients;
  if (typeof ping === 'function') return [socketOrServer as Socket];
  throw refusal(EXPECTED, socketOrServer);
}

function openOnes<Socket extends PingableSocket>(sockets: Iterable<Socket>): Socket[] {
  return [...sockets].filter(({ readyState }) => readyState === OPEN);
}

function newTarget<Socket extends PingableSocket>(
  socket: Socket & Internals,
  { onDead }: Ready<Socket>,
): Target {
  let number = 0;
  let settle: (() => void) | undefined;
  return {
    get bytesRead() {
      return socket._socket?.bytesRead;
    },
    // ws itself also pauses its socket while it decompresses.
    get isPaused() {
      return socket._socket?.isPaused();
    },
    ping() {
      const sent = ping(socket, String(++number));
      settle = sent.settle;
      return sent.settled;
    },
    onDead(silence) {
      socket.terminate();
      onDead?.(socket, silence);
    },
    abandon: () => settle?.(),
  };
}

interface Sent {
  readonly settled: Promise<void>;
  /** Ends the wait, and removes the listeners. */
  settle(): void;
}

/** Sends a ping, which the pong settles, or the end of the socket, after which its silence does not count. */
function ping(socket: PingableSocket, payload: string): Sent {
  let resolve: () => void;
  const settled = new Promise<void>((done) => {
    resolve = done;
  });
  const settle = () => {
    socket.removeListener('pong', onPong);
    socket.removeListener('close', settle);
    resolve();
  };
  const onPong: Listener = (data) => {
    if (data.toString() === payload) settle();
  };
  socket.on('pong', onPong);
  socket.on('close', settle);
  socket.ping(payload);
  return { settled, settle };
}

import type net from 'node:net';
import { readable, refusal } from '../options/fields.ts';
import { beat, type Heartbeat, oncePer, type Target } from './heartbeat.ts';
import { checkMethods, type Ready, type ReadyHeartbeatOptions, readReady } from './options.ts';

type Listener = (data: Buffer) => void;

/** What is used of a `WebSocket` of the `ws` package: a client's, or one that a server accepted. */
export interface PingableSocket {
  readonly readyState: number;
  ping(data: string): void;
  terminate(): void;
  on(event: 'pong', listener: Listener): unknown;
  on(event: 'close', listener: () => void): unknown;
  removeListener(event: 'pong', listener: Listener): unknown;
  removeListener(event: 'close', listener: () => void): unknown;
}

/** What is used of a `WebSocketServer` of the `ws` package. */
export interface PingableServer<Socket extends PingableSocket> {
  readonly clients: ReadonlySet<Socket>;
  on(event: 'close', listener: () => void): unknown;
  removeListener(event: 'close', listener: () => void): unknown;
}

/** ws names no socket in its types. One that is connecting has null. */
interface Internals {
  readonly _socket?: net.Socket | null;
}

const OPEN = 1;
const CLOSED = 3;

/**
 * Pings a WebSocket, on either side, or all clients of a server with one timer, and terminates those
 * that do not answer. Takes the objects of the `ws` package, which answers pings by itself, and so do
 * browsers. Whatever the peer sends counts as its answer, which may wait behind a long message; and a
 * socket that the program has paused is not given up, since no answer can be heard on it.
 *
 * Ends with the socket or the server.
 *
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
    // ws also pauses its socket by itself, while it decompresses.
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
  /** Ends the wait, and takes the listeners off. */
  settle(): void;
}

/** Settled by the pong to this ping, or when the socket closes, since nobody is silent then. */
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

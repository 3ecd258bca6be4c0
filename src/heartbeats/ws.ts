import { invalidOption } from '../errors.ts';
import { beat, type Heartbeat, type Peer } from './heartbeat.ts';
import { type ReadyHeartbeatOptions, rhythmOf } from './ready.ts';

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
}

const OPEN = 1;
const CLOSED = 3;

/**
 * Pings a WebSocket, on either side, or all clients of a server with one timer, and terminates what
 * does not answer. Takes what the `ws` package makes; it answers pings by itself, and so do browsers.
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
  target: Socket | PingableServer<Socket>,
  options: ReadyHeartbeatOptions<Socket> = {},
): Heartbeat {
  const peers = new WeakMap<Socket, Peer>();
  const peerOf = (socket: Socket): Peer => {
    const peer = peers.get(socket) ?? newPeer(socket, options);
    peers.set(socket, peer);
    return peer;
  };
  const sockets = socketsOf(target);
  const beating = beat(() => openOnes(sockets).map(peerOf), rhythmOf(options));
  if ((target as Partial<PingableSocket>).readyState === CLOSED) beating.stop();
  else target.on('close', beating.stop);
  return beating;
}

function socketsOf<Socket extends PingableSocket>(target: Socket | PingableServer<Socket>): Iterable<Socket> {
  const { clients, ping } = target as Partial<PingableServer<Socket> & PingableSocket>;
  if (clients !== undefined) return clients;
  if (typeof ping === 'function') return [target as Socket];
  throw invalidOption(
    'Expected a WebSocket, or a WebSocketServer that tracks its clients (clientTracking), got neither',
    TypeError,
  );
}

function openOnes<Socket extends PingableSocket>(sockets: Iterable<Socket>): Socket[] {
  return [...sockets].filter(({ readyState }) => readyState === OPEN);
}

function newPeer<Socket extends PingableSocket>(
  socket: Socket,
  { onDead }: ReadyHeartbeatOptions<Socket>,
): Peer {
  let number = 0;
  return {
    ping: () => ping(socket, String(++number)),
    onDead(silence) {
      socket.terminate();
      onDead?.(socket, silence);
    },
  };
}

/** Resolves with the pong to this ping, and where the socket closes, since nobody is silent then. */
function ping(socket: PingableSocket, payload: string): Promise<void> {
  return new Promise((resolve) => {
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
  });
}

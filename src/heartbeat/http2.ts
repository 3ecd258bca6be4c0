import type net from 'node:net';
import { beat, type Heartbeat, type Target } from './heartbeat.ts';
import { checkMethods, type ReadyHeartbeatOptions, readReady } from './options.ts';

/** The members of an `http2` session that are used. */
export interface PingableSession {
  readonly closed: boolean;
  readonly connecting: boolean;
  readonly destroyed: boolean;
  /** Bytes received from the peer count as its answer. */
  readonly socket?: { readonly bytesRead: number } | undefined;
  ping(callback: (error: Error | null) => void): boolean;
  destroy(): void;
  on(event: 'close', listener: () => void): unknown;
  removeListener(event: 'close', listener: () => void): unknown;
}

/**
 * Pings an http2 session, a client's or a server's, and destroys it if its peer does not answer: its
 * streams then end with an error. The heartbeat ends with the session.
 *
 * Anything that the peer sends counts as its answer, because the answer to the ping may wait behind much
 * data, and the program's own pings may leave no room for another (`maxOutstandingPings`).
 *
 * @param session - an open or connecting session
 * @param options - the rhythm, a signal that ends the heartbeat, and `onDead`
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`
 *
 * @example
 * ```ts
 * const session = http2.connect('https://example.com');
 * heartbeatHttp2(session);
 * ```
 */
export function heartbeatHttp2<Session extends PingableSession>(
  session: Session,
  options: ReadyHeartbeatOptions<Session> = {},
): Heartbeat {
  checkMethods('an http2 session', session, ['ping', 'destroy', 'on', 'removeListener']);
  const ready = readReady(options);
  const target: Target = {
    // Node passes an error if the session ends before the answer, or has too many pings out.
    ping: () =>
      new Promise<void>((resolve, reject) => {
        session.ping((error) => (error ? reject(error) : resolve()));
      }),
    get bytesRead() {
      return session.socket?.bytesRead;
    },
    onDead(silence) {
      end(session);
      ready.onDead?.(session, silence);
    },
  };
  const isOpen = () => !session.connecting && !session.closed && !session.destroyed;
  const beating = beat(() => (isOpen() ? [target] : []), ready, session);
  if (session.destroyed) beating.stop();
  return beating;
}

/**
 * Destroys a session and its socket. If the session is closing, or has data that the peer does not read,
 * `session.destroy()` alone waits for the peer to close the socket.
 */
function end(session: PingableSession): void {
  // The `socket` of a session refuses `destroy()`, but its other methods return the real socket.
  const socket = (session.socket as Partial<net.Socket> | undefined)?.removeListener?.('close', ignore);
  session.destroy();
  socket?.destroy();
}

function ignore(): void {
  // Never added: it is only an argument for removeListener().
}

import type net from 'node:net';
import { beat, type Heartbeat, type Target } from './heartbeat.ts';
import { checkMethods, type ReadyHeartbeatOptions, readReady } from './options.ts';

/** What is used of an `http2` session. */
export interface PingableSession {
  readonly closed: boolean;
  readonly connecting: boolean;
  readonly destroyed: boolean;
  /** What comes from the peer meanwhile counts as its answer. */
  readonly socket?: { readonly bytesRead: number } | undefined;
  ping(callback: (error: Error | null) => void): boolean;
  destroy(): void;
  on(event: 'close', listener: () => void): unknown;
  removeListener(event: 'close', listener: () => void): unknown;
}

/**
 * Pings an http2 session, a client's or a server's, and destroys it when its peer does not answer:
 * its streams then end with an error. Ends with the session.
 *
 * Whatever the peer sends counts as its answer: its answer to the ping may wait behind much data, and the
 * program's own pings may leave no room for another (`maxOutstandingPings`).
 *
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
    // Node gives an error if the session ends before the answer comes, or has too many pings out.
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
 * Destroys a session and its socket. `session.destroy()` alone leaves the socket to the peer, which is to
 * close it, if the session is being closed or has something to write that the peer does not take.
 */
function end(session: PingableSession): void {
  // Node's stand-in for the socket refuses `destroy()`, but its other methods return the socket itself.
  const socket = (session.socket as Partial<net.Socket> | undefined)?.removeListener?.('close', ignore);
  session.destroy();
  socket?.destroy();
}

function ignore(): void {
  // It was never added.
}

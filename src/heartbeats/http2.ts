import { beat, type Heartbeat, type Peer } from './heartbeat.ts';
import { type ReadyHeartbeatOptions, rhythmOf } from './ready.ts';

/** What is used of an `http2` session. */
export interface PingableSession {
  readonly closed: boolean;
  readonly connecting: boolean;
  readonly destroyed: boolean;
  ping(callback: (error: Error | null) => void): boolean;
  destroy(): void;
  once(event: 'close', listener: () => void): unknown;
}

/**
 * Pings an http2 session, a client's or a server's, and destroys it when its peer does not answer:
 * its streams then end with an error. Ends with the session.
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
  const peer: Peer = {
    ping: () => ping(session),
    onDead(silence) {
      session.destroy();
      options.onDead?.(session, silence);
    },
  };
  const isOpen = () => !session.connecting && !session.closed && !session.destroyed;
  const beating = beat(() => (isOpen() ? [peer] : []), rhythmOf(options));
  if (session.destroyed) beating.stop();
  else session.once('close', beating.stop);
  return beating;
}

/** Where the session ends before its answer comes, Node calls back with an error. */
function ping(session: PingableSession): Promise<void> {
  return new Promise((resolve, reject) => {
    session.ping((error) => (error ? reject(error) : resolve()));
  });
}

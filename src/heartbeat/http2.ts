import { beat, type Heartbeat, type Target } from './heartbeat.ts';
import { checkMethods, type ReadyHeartbeatOptions, readReady } from './options.ts';

/** What is used of an `http2` session. */
export interface PingableSession {
  readonly closed: boolean;
  readonly connecting: boolean;
  readonly destroyed: boolean;
  /** Asked if the session has too many pings out to send another. */
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
 * If the program's own pings leave no room for another (`maxOutstandingPings`), whatever the peer sends
 * counts as its answer.
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
  const target = newTarget(session, (silence) => {
    session.destroy();
    ready.onDead?.(session, silence);
  });
  const isOpen = () => !session.connecting && !session.closed && !session.destroyed;
  const beating = beat(() => (isOpen() ? [target] : []), ready, session);
  if (session.destroyed) beating.stop();
  return beating;
}

function newTarget(session: PingableSession, onDead: Target['onDead']): Target {
  // How many bytes had been read when the session refused to send, until a ping is answered.
  let readBefore: number | undefined;
  return {
    async ping() {
      const { isSent, answer } = send(session);
      if (!isSent) readBefore ??= bytesRead(session);
      await answer;
      readBefore = undefined;
    },
    onDead(silence) {
      const hasSpoken = readBefore !== undefined && bytesRead(session) > readBefore;
      readBefore = undefined;
      if (!hasSpoken) onDead(silence);
    },
  };
}

function bytesRead({ socket }: PingableSession): number {
  return socket?.bytesRead ?? 0;
}

/** Node gives an error if the session ends before the answer comes, or has too many pings out. */
function send(session: PingableSession): { isSent: boolean; answer: Promise<void> } {
  let isSent = false;
  const answer = new Promise<void>((resolve, reject) => {
    isSent = session.ping((error) => (error ? reject(error) : resolve()));
  });
  return { isSent, answer };
}

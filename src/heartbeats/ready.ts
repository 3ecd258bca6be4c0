import type { Rhythm, Silence } from './heartbeat.ts';

/** Options of the heartbeats that know how to ask, and how to end what is dead. */
export interface ReadyHeartbeatOptions<Target> {
  /**
   * Time from one ping to the next, in milliseconds.
   *
   * @default 25_000, well under the 55 s of silence after which the strictest common proxy hangs up
   */
  readonly every?: number | undefined;
  /**
   * How long the peer may be silent after a ping, in milliseconds.
   *
   * @default 10_000
   */
  readonly timeout?: number | undefined;
  /** Ends the heartbeat when aborted. */
  readonly signal?: AbortSignal | undefined;
  /** Told of a connection that was ended because its peer is silent. */
  readonly onDead?: ((target: Target, silence: Silence) => void) | undefined;
}

/** The rhythm asked for, or the usual one. */
export function rhythmOf({ every = 25_000, timeout = 10_000, signal }: ReadyHeartbeatOptions<never>): Rhythm {
  return { every, timeout, signal };
}

import { readable } from '../options/errors.ts';
import { expectKnownFields } from '../options/fields.ts';
import { checkFunction, type Rhythm, type Silence } from './beat.ts';

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

/** What was asked for, once it is checked. */
export interface Ready<Target> {
  readonly rhythm: Rhythm;
  readonly onDead: ReadyHeartbeatOptions<Target>['onDead'];
}

/**
 * The rhythm asked for, or the usual one, and who is to be told.
 *
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`
 */
export function readReady<Target>(options: ReadyHeartbeatOptions<Target>): Ready<Target> {
  return readable('an object such as { every, timeout }', () => {
    expectKnownFields(options, ['every', 'timeout', 'onDead', 'signal']);
    const { every = 25_000, timeout = 10_000, signal, onDead } = options;
    if (onDead !== undefined) checkFunction('onDead', onDead);
    return { rhythm: { every, timeout, signal }, onDead };
  });
}

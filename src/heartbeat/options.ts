import { invalidOption, readable, shown } from '../options/errors.ts';
import { expectKnownFields } from '../options/fields.ts';
import type { Silence } from './beat.ts';

/** How often to ask, and how long to wait for an answer. */
export interface Rhythm {
  /** Time from one ping to the next, in milliseconds: 1 000 to 2 147 483 647. */
  readonly every: number;
  /** How long a target may be silent after a ping, in milliseconds: 1 000 to 2 147 483 647. */
  readonly timeout: number;
  /** Ends the heartbeat when aborted. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of the heartbeats that know how to ask, and how to end what is dead. */
export interface ReadyHeartbeatOptions<Target> {
  /**
   * Time from one ping to the next, in milliseconds.
   *
   * @default 25_000, well under the 55 s of silence after which the strictest common proxy hangs up
   */
  readonly every?: number | undefined;
  /**
   * How long the target may be silent after a ping, in milliseconds.
   *
   * @default 10_000
   */
  readonly timeout?: number | undefined;
  /** Ends the heartbeat when aborted. */
  readonly signal?: AbortSignal | undefined;
  /** Told of a target that was ended because it is silent. */
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

/**
 * Checks that something has the methods that are used of it.
 *
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`
 */
export function checkMethods(expected: string, value: unknown, names: readonly string[]): void {
  readable(expected, () => {
    const members = Object(value) as Record<string, unknown>;
    const missing = names.find((name) => typeof members[name] !== 'function');
    if (missing === undefined) return;
    throw invalidOption(`Expected ${expected} with \`${missing}()\`, got ${shown(value)}`, TypeError);
  });
}

export function checkFunction(name: string, value: unknown): void {
  if (typeof value === 'function') return;
  throw invalidOption(`Expected \`${name}\` to be a function, got ${shown(value)}`, TypeError);
}

import {
  aFunction,
  type Field,
  type FieldTable,
  isObject,
  optional,
  otherwise,
  readable,
  readFields,
  refusal,
  within,
} from '../options/fields.ts';
import type { Silence } from './beat.ts';

/** How often to ping, and how long to wait for an answer. */
export interface Rhythm {
  /** Time from one ping to the next, in milliseconds: 1 000 to 2 147 483 647. */
  readonly every: number;
  /** How long a target may be silent after a ping, in milliseconds: 1 000 to 2 147 483 647. */
  readonly timeout: number;
  /** Ends the heartbeat when aborted. */
  readonly signal?: AbortSignal | undefined;
}

/** The options of heartbeats that have their own ping, and end dead targets themselves. */
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
  /** Called with a target after it was ended because it was silent. */
  readonly onDead?: ((target: Target, silence: Silence) => void) | undefined;
}

/** Checked options, with their defaults. */
export interface Ready<Target> extends Rhythm {
  readonly onDead: ReadyHeartbeatOptions<Target>['onDead'];
}

// The longest wait of a timer; with a longer one it would fire at once.
const aWait = within({ min: 1_000, max: 2_147_483_647, unit: 'milliseconds' });

const aSignal: Field<AbortSignal> = (value, name) => {
  if (isObject(value) && 'addEventListener' in value) return value as AbortSignal;
  throw refusal(`\`${name}\` to be an AbortSignal`, value);
};

export const rhythmFields: FieldTable<Rhythm> = { every: aWait, timeout: aWait, signal: optional(aSignal) };

/**
 * Reads the options of a heartbeat that has its own ping.
 *
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`
 */
export function readReady<Target>(options: ReadyHeartbeatOptions<Target>): Ready<Target> {
  return readFields<Ready<Target>>('an object such as { every: 25000, timeout: 10000 }', options, {
    every: otherwise(aWait, 25_000),
    timeout: otherwise(aWait, 10_000),
    signal: optional(aSignal),
    onDead: optional(aFunction<NonNullable<Ready<Target>['onDead']>>),
  });
}

/**
 * Checks that a value has the methods that are used.
 *
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`
 */
export function checkMethods(expected: string, value: unknown, names: readonly string[]): void {
  readable(expected, () => {
    const members = Object(value) as Record<string, unknown>;
    const missing = names.find((name) => typeof members[name] !== 'function');
    if (missing !== undefined) throw refusal(`${expected} with \`${missing}()\``, value);
  });
}

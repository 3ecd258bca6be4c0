import { aFunction, type FieldTable, readFields } from '../options/fields.ts';
import { type Silence, Vigil, type Watched } from './beat.ts';
import { Clock } from './clock.ts';
import { type Rhythm, rhythmFields } from './options.ts';

/** The options of a heartbeat. */
export interface HeartbeatOptions extends Rhythm {
  /**
   * Asks the target, and resolves when it answers. A ping that rejects counts as unanswered, and is sent
   * again half of `timeout` after it was sent, or at the next beat if that comes first.
   */
  readonly ping: () => PromiseLike<unknown>;
  /** Called once, when the target has been silent for `timeout`. The heartbeat has ended by then. */
  readonly onDead: (silence: Silence) => void;
}

/** A heartbeat, which continues until it is stopped or its target is dead. */
export interface Heartbeat {
  /** The last round trip, in milliseconds; `undefined` before the first. */
  readonly roundTrip: number | undefined;
  /** Beats and retries in a row at which the ping before had no answer: 0 while the target answers. */
  readonly misses: number;
  /** Ends the heartbeat. A second call does nothing. */
  stop(): void;
}

/** An object whose `'close'` ends a heartbeat. */
export interface Closable {
  on(event: 'close', listener: () => void): unknown;
  removeListener(event: 'close', listener: () => void): unknown;
}

/** A target of a heartbeat. */
export interface Target extends Watched {
  ping(): PromiseLike<unknown>;
  onDead(silence: Silence): void;
  /** Called if the heartbeat is stopped before the answer. */
  abandon?(): void;
}

/**
 * Pings a target regularly, and calls `onDead` if it does not answer.
 *
 * TCP keepalive ends at the peer's kernel, which answers for a process that hangs, and proxies answer for the
 * peer. An application's own ping reaches the process itself. The first is sent after `every`; the next only
 * when the one before was answered or has failed, so that they never pile up. A failed one is sent again
 * before the target is given up. The timer does not keep the process alive. Answers that arrived while this
 * process was busy count, because it reads once more before it gives up a target.
 *
 * @param options - `ping`, `onDead`, the rhythm, and a signal that ends the heartbeat
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`
 *
 * @example
 * ```ts
 * heartbeat({
 *   ping: () => client.request('ping'),
 *   every: 25_000,
 *   timeout: 10_000,
 *   onDead: ({ duration }) => client.destroy(new Error(`silent for ${duration} ms`)),
 * });
 * ```
 */
export function heartbeat(options: HeartbeatOptions): Heartbeat {
  const { ping, onDead, ...rhythm } = readFields(
    'an object { ping, every, timeout, onDead }',
    options,
    heartbeatFields,
  );
  const target: Target = {
    ping,
    onDead(silence) {
      beating.stop();
      onDead(silence);
    },
  };
  const beating = beat(() => [target], rhythm);
  return beating;
}

const heartbeatFields: FieldTable<HeartbeatOptions> = { ping: aFunction, onDead: aFunction, ...rhythmFields };

/**
 * Pings any number of targets with one timer.
 *
 * @param targets - returns the targets at each beat. A target without an answer yet counts even if it is no
 *   longer among them.
 * @param closable - an object that ends the heartbeat when it closes
 */
export function beat(targets: () => Iterable<Target>, rhythm: Rhythm, closable?: Closable): Heartbeat {
  const { signal } = rhythm;
  const vigil = new Vigil<Target>(rhythm, performance.now());
  const clock = new Clock({
    get nextWake() {
      return vigil.nextWake;
    },
    wake(now) {
      for (const target of vigil.due(now, targets)) if (!clock.isStopped) ask(target);
    },
    afterReading(now) {
      for (const [target, silence] of vigil.takeSilent(now)) target.onDead(silence);
    },
  });

  function ask(target: Target): void {
    const ping = vigil.sent(target, performance.now());
    attempt(target).then(
      () => vigil.answered(ping, performance.now()),
      (error: unknown) => {
        vigil.failed(ping, error);
        clock.look();
      },
    );
  }

  function stop(): void {
    clock.stop();
    signal?.removeEventListener('abort', stop);
    closable?.removeListener('close', stop);
    for (const target of vigil.takeAwaited()) target.abandon?.();
  }

  signal?.addEventListener('abort', stop);
  closable?.on('close', stop);
  if (signal?.aborted) stop();
  return {
    get roundTrip() {
      return vigil.roundTrip;
    },
    get misses() {
      return vigil.misses;
    },
    stop,
  };
}

/** Makes one target for each object, and keeps it as long as the object exists. */
export function oncePer<Asked extends object>(make: (asked: Asked) => Target): (asked: Asked) => Target {
  const targets = new WeakMap<Asked, Target>();
  return (asked) => {
    const target = targets.get(asked) ?? make(asked);
    targets.set(asked, target);
    return target;
  };
}

/** Async, so that a ping that throws counts as one that rejects. */
async function attempt(target: Target): Promise<void> {
  await target.ping();
}

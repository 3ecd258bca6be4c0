import { invalidOption, readable, shown } from '../options/errors.ts';
import { checkRange, expectKnownFields, type Range } from '../options/fields.ts';

/** How often to ask, and how long to wait for an answer. */
export interface Rhythm {
  /** Time from one ping to the next, in milliseconds: 1 000 to 2 147 483 647. */
  readonly every: number;
  /** How long a peer may be silent after a ping, in milliseconds: 1 000 to 2 147 483 647. */
  readonly timeout: number;
  /** Ends the heartbeat when aborted. */
  readonly signal?: AbortSignal | undefined;
}

/** What a heartbeat does. */
export interface HeartbeatOptions extends Rhythm {
  /**
   * Asks the peer, and resolves with its answer. A ping that rejects counts as unanswered, and is tried
   * again: half of `timeout` after it was sent, or at the next beat where that comes first.
   */
  readonly ping: () => PromiseLike<unknown>;
  /** Called once, when the peer has been silent for `timeout`. The heartbeat has ended by then. */
  readonly onDead: (silence: Silence) => void;
}

/** What is known of a peer that does not answer. */
export interface Silence {
  /** Time since the first ping without an answer, in milliseconds. */
  readonly duration: number;
  /** Beats and further tries that found the ping before without an answer. */
  readonly misses: number;
  /** What the last ping that failed was rejected with, if one was. */
  readonly error: unknown;
}

/** A heartbeat that goes on until it is stopped, or its peer is dead. */
export interface Heartbeat {
  /** The last round trip, in milliseconds; `undefined` before the first. */
  readonly roundTrip: number | undefined;
  /** Beats and further tries in a row that found the ping before without an answer: 0 while the peer answers. */
  readonly misses: number;
  /** Ends it. A second call does nothing. */
  stop(): void;
}

/** What ends a heartbeat with its `'close'`. */
export interface Closable {
  on(event: 'close', listener: () => void): unknown;
  removeListener(event: 'close', listener: () => void): unknown;
}

/** One of the peers that a heartbeat asks. */
export interface Peer {
  ping(): PromiseLike<unknown>;
  onDead(silence: Silence): void;
  /** Called where the heartbeat is stopped before the answer has come. */
  abandon?(): void;
}

/**
 * Asks a peer whether it lives, again and again, and tells when it does not.
 *
 * TCP keepalive ends at the peer's kernel, which answers for a process that hangs, and proxies answer
 * for the peer. A ping of the application's own goes all the way. The first is sent after `every`; the
 * next only when the one before was answered or has failed, so that they never pile up. One that fails is
 * tried again before the peer is given up. The timer does not keep the process alive. Answers that
 * arrived while this process itself was busy count: it looks once more before it gives a peer up.
 *
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
  const { ping, onDead, ...rhythm } = readable('an object { ping, every, timeout, onDead }', () => {
    expectKnownFields(options, ['ping', 'every', 'timeout', 'onDead', 'signal']);
    const { ping, onDead, every, timeout, signal } = options;
    return { ping, onDead, every, timeout, signal };
  });
  checkFunction('ping', ping);
  checkFunction('onDead', onDead);
  const peer: Peer = {
    ping,
    onDead(silence) {
      beating.stop();
      onDead(silence);
    },
  };
  const beating = beat(() => [peer], rhythm);
  return beating;
}

/** A ping that waits for its answer, or failed and waits to be tried again. */
interface Waiting {
  readonly since: number;
  /** When the peer is given up. */
  deadline: number;
  /** When a ping that failed is tried again; `Infinity` while one is out. */
  retryAt: number;
  tries: number;
  misses: number;
  error: unknown;
}

/**
 * Asks any number of peers with one timer.
 *
 * @param peers - who is to be asked, at each beat. One that is waited for and is not among them any
 *   more is still waited for.
 * @param target - what ends the heartbeat when it closes
 */
export function beat(
  peers: () => Iterable<Peer>,
  { every, timeout, signal }: Rhythm,
  target?: Closable,
): Heartbeat {
  checkRange('every', every, waits);
  checkRange('timeout', timeout, waits);
  if (signal !== undefined) checkMethods('`signal` to be an AbortSignal', signal, ['addEventListener']);
  const pause = Math.min(every, timeout / 2);
  const waiting = new Map<Peer, Waiting>();
  let roundTrip: number | undefined;
  let nextBeat = performance.now() + every;
  let timer: NodeJS.Timeout | undefined;
  let wakesAt = Number.POSITIVE_INFINITY;
  let isStopped = false;

  function ask(peer: Peer): void {
    const now = performance.now();
    const known = waiting.get(peer);
    if (known !== undefined) known.misses += 1;
    if (isStopped || (known !== undefined && (isOut(known) || isOver(known, now)))) return;
    const state = known ?? { ...unasked, since: now, deadline: now + timeout };
    // This process was busy since the first try failed, and the second needs time of its own.
    if (state.deadline <= now) state.deadline = now + pause;
    state.tries += 1;
    state.retryAt = Number.POSITIVE_INFINITY;
    waiting.set(peer, state);
    attempt(peer).then(
      () => {
        if (waiting.get(peer) !== state) return;
        waiting.delete(peer);
        roundTrip = performance.now() - now;
      },
      (error: unknown) => {
        if (waiting.get(peer) !== state) return;
        state.error = error;
        state.retryAt = now + pause;
        wakeBy(state.retryAt);
      },
    );
  }

  function retryTheFailed(now: number): void {
    for (const [peer, state] of waiting) {
      if (state.retryAt <= now && !isOver(state, now)) ask(peer);
    }
  }

  function buryTheSilent(): void {
    const now = performance.now();
    for (const [peer, state] of waiting) {
      if (!isOver(state, now)) continue;
      waiting.delete(peer);
      const { since, misses, error } = state;
      peer.onDead({ duration: now - since, misses, error });
    }
  }

  function wake(): void {
    const now = performance.now();
    if (now >= nextBeat) {
      // Beats that were missed while the process was busy are not made up for.
      nextBeat += every * Math.ceil((now - nextBeat + 1) / every);
      for (const peer of peers()) ask(peer);
    }
    retryTheFailed(now);
    // What has arrived is read between the timers and the immediates of a turn.
    setImmediate(() => {
      if (isStopped) return;
      try {
        buryTheSilent();
      } finally {
        schedule();
      }
    });
  }

  function schedule(): void {
    wakesAt = Number.POSITIVE_INFINITY;
    let next = nextBeat;
    for (const { deadline, retryAt } of waiting.values()) next = Math.min(next, deadline, retryAt);
    wakeBy(next);
  }

  function wakeBy(time: number): void {
    if (isStopped || time >= wakesAt) return;
    wakesAt = time;
    clearTimeout(timer);
    timer = setTimeout(wake, Math.max(1, time - performance.now()));
    timer.unref();
  }

  function stop(): void {
    isStopped = true;
    clearTimeout(timer);
    signal?.removeEventListener('abort', stop);
    target?.removeListener('close', stop);
    const abandoned = [...waiting.keys()];
    waiting.clear();
    for (const peer of abandoned) peer.abandon?.();
  }

  if (signal?.aborted) {
    isStopped = true;
  } else {
    signal?.addEventListener('abort', stop);
    target?.on('close', stop);
    schedule();
  }
  return {
    get roundTrip() {
      return roundTrip;
    },
    get misses() {
      return [...waiting.values()].reduce((sum, { misses }) => sum + misses, 0);
    },
    stop,
  };
}

const unasked = { tries: 0, retryAt: 0, misses: 0, error: undefined };

function isOut({ retryAt }: Waiting): boolean {
  return retryAt === Number.POSITIVE_INFINITY;
}

/** Whether a peer is to be given up: not before a ping that failed has been tried again. */
function isOver(state: Waiting, now: number): boolean {
  return now >= state.deadline && (isOut(state) || state.tries > 1);
}

/** A ping that throws is one that rejects. */
async function attempt(peer: Peer): Promise<void> {
  await peer.ping();
}

/**
 * Checks that there is what is used of something.
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

// What a timer can wait for; a longer one would fire at once.
const waits: Range = { min: 1_000, max: 2_147_483_647, unit: 'milliseconds' };

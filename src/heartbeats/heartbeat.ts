import { invalidOption, shown } from '../errors.ts';

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
   * Asks the peer, and resolves with its answer. A ping that rejects counts as unanswered, and is
   * tried again at the next beat.
   */
  readonly ping: () => PromiseLike<unknown>;
  /** Called once, when the peer has been silent for `timeout`. The heartbeat has ended by then. */
  readonly onDead: (silence: Silence) => void;
}

/** What is known of a peer that does not answer. */
export interface Silence {
  /** Time since the first ping without an answer, in milliseconds. */
  readonly duration: number;
  /** Beats that found the ping before still without an answer. */
  readonly misses: number;
  /** What the last ping that failed was rejected with, if one was. */
  readonly error: unknown;
}

/** A heartbeat that goes on until it is stopped, or its peer is dead. */
export interface Heartbeat {
  /** The last round trip, in milliseconds; `undefined` before the first. */
  readonly roundTrip: number | undefined;
  /** Beats in a row that found the ping before still without an answer: 0 while the peer answers. */
  readonly misses: number;
  /** Ends it. A second call does nothing. */
  stop(): void;
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
 * next only when the one before was answered, so that they never pile up. The timer does not keep the
 * process alive. Answers that arrived while this process itself was busy count: it looks once more
 * before it gives a peer up.
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
export function heartbeat({ ping, onDead, ...rhythm }: HeartbeatOptions): Heartbeat {
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

/** A ping that waits for its answer, or failed and waits for the next beat. */
interface Waiting {
  readonly since: number;
  misses: number;
  isOut: boolean;
  error: unknown;
}

/**
 * Asks any number of peers with one timer.
 *
 * @param peers - who is to be asked, at each beat. One that is waited for and is not among them any
 *   more is still waited for.
 */
export function beat(peers: () => Iterable<Peer>, { every, timeout, signal }: Rhythm): Heartbeat {
  checkTime('every', every);
  checkTime('timeout', timeout);
  // In the order of `since`, since a peer is added when it is first asked and goes when it answers.
  const waiting = new Map<Peer, Waiting>();
  let roundTrip: number | undefined;
  let nextBeat = performance.now() + every;
  let timer: NodeJS.Timeout | undefined;
  let isStopped = false;

  function ask(peer: Peer): void {
    const known = waiting.get(peer);
    if (known !== undefined) known.misses += 1;
    if (known?.isOut) return;
    const now = performance.now();
    const state = known ?? { since: now, misses: 0, isOut: true, error: undefined };
    state.isOut = true;
    waiting.set(peer, state);
    attempt(peer).then(
      () => {
        if (waiting.get(peer) !== state) return;
        waiting.delete(peer);
        roundTrip = performance.now() - now;
      },
      (error: unknown) => {
        state.isOut = false;
        state.error = error;
      },
    );
  }

  function buryTheSilent(): void {
    const now = performance.now();
    for (const [peer, { since, misses, error }] of waiting) {
      if (now - since < timeout) break;
      waiting.delete(peer);
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
    if (isStopped) return;
    const [first] = waiting.values();
    const next = first === undefined ? nextBeat : Math.min(nextBeat, first.since + timeout);
    timer = setTimeout(wake, Math.max(1, next - performance.now()));
    timer.unref();
  }

  function stop(): void {
    isStopped = true;
    clearTimeout(timer);
    signal?.removeEventListener('abort', stop);
    const abandoned = [...waiting.keys()];
    waiting.clear();
    for (const peer of abandoned) peer.abandon?.();
  }

  if (signal?.aborted) isStopped = true;
  signal?.addEventListener('abort', stop);
  schedule();
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

/** A ping that throws is one that rejects. */
async function attempt(peer: Peer): Promise<void> {
  await peer.ping();
}

function checkFunction(name: string, value: unknown): void {
  if (typeof value === 'function') return;
  throw invalidOption(`Expected \`${name}\` to be a function, got ${shown(value)}`, TypeError);
}

// What a timer can wait for; a longer one would fire at once.
const LONGEST = 2_147_483_647;

function checkTime(name: string, value: unknown): void {
  if (typeof value === 'number' && value >= 1_000 && value <= LONGEST) return;
  const hint =
    typeof value === 'number' && value >= 1 && value < 1_000 ? `; did you mean ${value * 1_000}?` : '';
  throw invalidOption(
    `Expected \`${name}\` to be from 1000 to ${LONGEST} milliseconds, got ${shown(value)}${hint}`,
    typeof value === 'number' ? RangeError : TypeError,
  );
}

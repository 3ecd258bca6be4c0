import type { Rhythm } from './options.ts';

/** What is known of a target that does not answer. */
export interface Silence {
  /** Time since the first ping without an answer, in milliseconds. */
  readonly duration: number;
  /** Beats and further tries that found the ping before without an answer. */
  readonly misses: number;
  /** What the last ping that failed was rejected with, if one was. */
  readonly error: unknown;
}

/** A target whose answer is awaited. Its ping is out, or has failed and waits to be sent again. */
interface Wait<Target> {
  readonly target: Target;
  /** When its first ping without an answer was sent. */
  readonly since: number;
  sentAt: number;
  /** When the target is given up. */
  deadline: number;
  /** When a ping that failed is sent again; `Infinity` while one is out. */
  retryAt: number;
  tries: number;
  misses: number;
  error: unknown;
}

/** A ping, as {@link Vigil.sent} gives it and {@link Vigil.answered} and {@link Vigil.failed} take it. */
export type Ping<Target> = Readonly<Wait<Target>>;

/** Decides which targets are pinged when, and which are given up. It is told the time and has no timer. */
export class Vigil<Target> {
  /** The last round trip, in milliseconds; `undefined` before the first. */
  roundTrip: number | undefined;
  readonly #rhythm: Rhythm;
  /** From sending a ping to sending it again if it failed. */
  readonly #pause: number;
  readonly #waits = new Map<Target, Wait<Target>>();
  #nextBeat: number;

  constructor(rhythm: Rhythm, now: number) {
    this.#rhythm = rhythm;
    this.#pause = Math.min(rhythm.every, rhythm.timeout / 2);
    this.#nextBeat = now + rhythm.every;
  }

  /** When there is something to decide again. */
  get nextWake(): number {
    let next = this.#nextBeat;
    for (const { deadline, retryAt } of this.#waits.values()) next = Math.min(next, deadline, retryAt);
    return next;
  }

  get misses(): number {
    return [...this.#waits.values()].reduce((sum, { misses }) => sum + misses, 0);
  }

  /**
   * Who is to be pinged now: at a beat all targets but those whose ping is still out, between beats those
   * whose ping has failed.
   */
  due(now: number, targets: () => Iterable<Target>): Target[] {
    const asked = new Set<Target>();
    if (now >= this.#nextBeat) {
      const { every } = this.#rhythm;
      // Beats that were missed while the process was busy are not made up for.
      this.#nextBeat += every * Math.ceil((now - this.#nextBeat + 1) / every);
      for (const target of targets()) asked.add(target);
    }
    for (const wait of this.#waits.values()) {
      if (wait.retryAt <= now && !isOver(wait, now)) asked.add(wait.target);
    }
    return [...asked].filter((target) => this.#mayBePinged(target, now));
  }

  #mayBePinged(target: Target, now: number): boolean {
    const wait = this.#waits.get(target);
    if (wait === undefined) return true;
    wait.misses += 1;
    return !isOut(wait) && !isOver(wait, now);
  }

  /** A ping is being sent. */
  sent(target: Target, now: number): Ping<Target> {
    const deadline = now + this.#rhythm.timeout;
    const wait = this.#waits.get(target) ?? { ...unasked, target, since: now, deadline };
    this.#waits.set(target, wait);
    // The process was busy since the first try failed, and the second needs time of its own.
    if (wait.deadline <= now) wait.deadline = now + this.#pause;
    wait.sentAt = now;
    wait.retryAt = Number.POSITIVE_INFINITY;
    wait.tries += 1;
    return wait;
  }

  /** The answer to a ping has come. It says nothing any more if its target was given up. */
  answered(ping: Ping<Target>, now: number): void {
    if (this.#waits.get(ping.target) !== ping) return;
    this.#waits.delete(ping.target);
    this.roundTrip = now - ping.sentAt;
  }

  /** A ping has failed. Its target is asked once more before it is given up. */
  failed(ping: Ping<Target>, error: unknown): void {
    const wait = this.#waits.get(ping.target);
    if (wait !== ping) return;
    wait.error = error;
    wait.retryAt = wait.sentAt + this.#pause;
  }

  /** The targets that have been silent for too long. Each is forgotten when it is taken. */
  *takeSilent(now: number): Generator<[target: Target, silence: Silence]> {
    for (const wait of this.#waits.values()) {
      if (!isOver(wait, now)) continue;
      const { target, since, misses, error } = wait;
      this.#waits.delete(target);
      yield [target, { duration: now - since, misses, error }];
    }
  }

  /** Forgets all targets, and gives those whose answers are awaited. */
  takeAwaited(): Target[] {
    const awaited = [...this.#waits.keys()];
    this.#waits.clear();
    return awaited;
  }
}

const unasked = { sentAt: 0, retryAt: 0, tries: 0, misses: 0, error: undefined };

function isOut({ retryAt }: Ping<unknown>): boolean {
  return retryAt === Number.POSITIVE_INFINITY;
}

/** Whether a target is to be given up: not before a ping that failed has been sent again. */
function isOver(wait: Ping<unknown>, now: number): boolean {
  return now >= wait.deadline && (isOut(wait) || wait.tries > 1);
}

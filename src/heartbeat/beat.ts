import type { Rhythm } from './options.ts';

/** The silence of a target that does not answer. */
export interface Silence {
  /**
   * Time since the first ping without an answer, or since the last byte if one came after that ping, in
   * milliseconds. The time of the last byte is exact to a tenth of `timeout`.
   */
  readonly duration: number;
  /** Beats and retries at which the ping before had no answer. */
  readonly misses: number;
  /** The error of the last ping that was rejected, if one was. */
  readonly error: unknown;
}

/** The part of a target that a vigil reads. */
export interface Watched {
  /** The bytes received from it. While they increase, the target is alive, even if it does not answer. */
  readonly bytesRead?: number | undefined;
  /** Whether this process has stopped reading, so that no answer can arrive. */
  readonly isPaused?: boolean | undefined;
}

/** A target without an answer yet. Its ping is out, or has failed and will be sent again. */
interface Wait<Target extends Watched> {
  readonly target: Target;
  /** When its first ping without an answer was sent, or the last byte arrived after that. */
  since: number;
  bytesRead: number | undefined;
  /** Whether bytes arrived since the last beat, which is then no miss. */
  isHeard: boolean;
  sentAt: number;
  /** When the target is given up. */
  deadline: number;
  /** When a failed ping is sent again; `Infinity` while a ping is out. */
  retryAt: number;
  tries: number;
  misses: number;
  error: unknown;
}

/** A ping, which {@link Vigil.sent} returns and {@link Vigil.answered} and {@link Vigil.failed} accept. */
export type Ping<Target extends Watched> = Readonly<Wait<Target>>;

/** Decides when targets are pinged and given up. The time is an argument, and there is no timer. */
export class Vigil<Target extends Watched> {
  /** The last round trip, in milliseconds; `undefined` before the first. */
  roundTrip: number | undefined;
  readonly #rhythm: Rhythm;
  /** The time from a ping to its retry if it fails. */
  readonly #pause: number;
  /** The time between two reads of `bytesRead` while a ping is out. */
  readonly #lookEvery: number;
  readonly #waits = new Map<Target, Wait<Target>>();
  #nextBeat: number;
  #lookedAt: number;

  constructor(rhythm: Rhythm, now: number) {
    this.#rhythm = rhythm;
    this.#pause = Math.min(rhythm.every, rhythm.timeout / 2);
    this.#lookEvery = rhythm.timeout / 10;
    this.#nextBeat = now + rhythm.every;
    this.#lookedAt = now;
  }

  /** When the next decision is due. */
  get nextWake(): number {
    let next = this.#nextBeat;
    for (const { deadline, retryAt, bytesRead } of this.#waits.values()) {
      next = Math.min(next, deadline, retryAt);
      if (bytesRead !== undefined) next = Math.min(next, this.#lookedAt + this.#lookEvery);
    }
    return next;
  }

  get misses(): number {
    return [...this.#waits.values()].reduce((sum, { misses }) => sum + misses, 0);
  }

  /**
   * Returns the targets to ping now: at a beat all but those whose ping is still out, between beats those
   * whose ping has failed.
   */
  due(now: number, targets: () => Iterable<Target>): Target[] {
    this.#look(now);
    const asked = new Set<Target>();
    if (now >= this.#nextBeat) {
      const { every } = this.#rhythm;
      // Beats that were missed while the process was busy are skipped.
      this.#nextBeat += every * Math.ceil((now - this.#nextBeat + 1) / every);
      for (const target of targets()) asked.add(target);
    }
    for (const wait of this.#waits.values()) {
      if (wait.retryAt <= now && !isOver(wait, now)) asked.add(wait.target);
    }
    return [...asked].filter((target) => this.#mayBePinged(target, now));
  }

  /** Counts new bytes of a target as its answer. Its ping stays out, so that pings do not pile up. */
  #look(now: number): void {
    this.#lookedAt = now;
    for (const wait of this.#waits.values()) {
      const { bytesRead, isPaused } = wait.target;
      if (bytesRead === wait.bytesRead && !isPaused) continue;
      wait.bytesRead = bytesRead;
      wait.since = now;
      wait.deadline = now + this.#rhythm.timeout;
      wait.misses = 0;
      wait.isHeard = true;
      if (!isOut(wait)) this.#waits.delete(wait.target);
    }
  }

  #mayBePinged(target: Target, now: number): boolean {
    const wait = this.#waits.get(target);
    if (wait === undefined) return true;
    if (wait.isHeard) wait.isHeard = false;
    else wait.misses += 1;
    return !isOut(wait) && !isOver(wait, now);
  }

  /** Records that a ping is being sent. */
  sent(target: Target, now: number): Ping<Target> {
    const deadline = now + this.#rhythm.timeout;
    const { bytesRead } = target;
    const wait = this.#waits.get(target) ?? { ...unasked, target, since: now, deadline, bytesRead };
    this.#waits.set(target, wait);
    // The process was busy since the first try failed, so the second one gets time of its own.
    if (wait.deadline <= now) wait.deadline = now + this.#pause;
    wait.sentAt = now;
    wait.retryAt = Number.POSITIVE_INFINITY;
    wait.tries += 1;
    return wait;
  }

  /** Records the answer to a ping. It is ignored if the target was given up. */
  answered(ping: Ping<Target>, now: number): void {
    if (this.#waits.get(ping.target) !== ping) return;
    this.#waits.delete(ping.target);
    this.roundTrip = now - ping.sentAt;
  }

  /** Records that a ping has failed. Its target is pinged once more before it is given up. */
  failed(ping: Ping<Target>, error: unknown): void {
    const wait = this.#waits.get(ping.target);
    if (wait !== ping) return;
    wait.error = error;
    wait.retryAt = wait.sentAt + this.#pause;
  }

  /** Yields and forgets the targets that have been silent for too long. */
  *takeSilent(now: number): Generator<[target: Target, silence: Silence]> {
    this.#look(now);
    for (const wait of this.#waits.values()) {
      if (!isOver(wait, now)) continue;
      const { target, since, misses, error } = wait;
      this.#waits.delete(target);
      yield [target, { duration: now - since, misses, error }];
    }
  }

  /** Forgets all targets, and returns those without an answer yet. */
  takeAwaited(): Target[] {
    const awaited = [...this.#waits.keys()];
    this.#waits.clear();
    return awaited;
  }
}

const unasked = { isHeard: false, sentAt: 0, retryAt: 0, tries: 0, misses: 0, error: undefined };

function isOut({ retryAt }: Ping<Watched>): boolean {
  return retryAt === Number.POSITIVE_INFINITY;
}

/** Whether a target is given up, but not before a failed ping has been sent again. */
function isOver(wait: Ping<Watched>, now: number): boolean {
  return now >= wait.deadline && (isOut(wait) || wait.tries > 1);
}

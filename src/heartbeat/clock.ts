/** An object that a clock wakes. */
export interface Sleeper {
  /** When to wake it, in milliseconds of `performance.now()`. */
  readonly nextWake: number;
  wake(now: number): void;
  /** Called in the same turn, after everything that has arrived has been read. */
  afterReading(now: number): void;
}

/** Turns a sleeper's `nextWake` into one timer, which does not keep the process alive. */
export class Clock {
  isStopped = false;
  readonly #sleeper: Sleeper;
  #timer: NodeJS.Timeout | undefined;
  #wakesAt = Number.POSITIVE_INFINITY;

  constructor(sleeper: Sleeper) {
    this.#sleeper = sleeper;
    this.look();
  }

  /** Checks whether the sleeper must wake earlier than planned. */
  look(): void {
    const { nextWake } = this.#sleeper;
    if (this.isStopped || nextWake >= this.#wakesAt) return;
    this.#wakesAt = nextWake;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#wake, Math.max(1, nextWake - performance.now())).unref();
  }

  readonly #wake = (): void => {
    this.#sleeper.wake(performance.now());
    // Node reads sockets between the timers and the immediates of a turn.
    setImmediate(() => {
      if (this.isStopped) return;
      try {
        this.#sleeper.afterReading(performance.now());
      } finally {
        this.#wakesAt = Number.POSITIVE_INFINITY;
        this.look();
      }
    });
  };

  stop(): void {
    this.isStopped = true;
    clearTimeout(this.#timer);
  }
}

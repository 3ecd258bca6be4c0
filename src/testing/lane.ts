import type net from 'node:net';

// Captured now, so that a test's fake timers cannot stop what is on its way.
const { setTimeout, clearTimeout } = globalThis;
const now = performance.now.bind(performance);

/** The state of a proxy's path, which all of its lanes read. */
export interface Path {
  /** How long each chunk is on its way, in milliseconds. */
  delay: number;
  /** While it is down nothing is delivered. */
  isDown: boolean;
}

interface Delivery {
  readonly due: number;
  readonly deliver: () => void;
}

/** One direction of a connection through a proxy: what one socket reads, the other writes, later and in order. */
export class Lane {
  readonly #from: net.Socket;
  readonly #to: net.Socket;
  readonly #path: Path;
  readonly #underWay: Delivery[] = [];
  #timer: NodeJS.Timeout | undefined;

  /** @param ended - called once the end of what it reads has been delivered too */
  constructor(from: net.Socket, to: net.Socket, path: Path, ended: (lane: Lane) => void) {
    this.#from = from;
    this.#to = to;
    this.#path = path;
    from.setNoDelay(true);
    from.on('data', (chunk) => this.#send(() => this.#write(chunk)));
    from.on('end', () => this.#send(() => to.end()));
    // The other end hears of an error as a close.
    from.on('error', () => {});
    from.once('close', (hadError) => this.#send(() => this.#end(hadError, ended)));
  }

  /** Stops reading: the path is down. */
  hold(): void {
    this.#from.pause();
    clearTimeout(this.#timer);
  }

  /** The path is up again. */
  goOn(): void {
    this.#deliver();
    this.#readOn();
  }

  #send(deliver: () => void): void {
    this.#underWay.push({ due: now() + this.#path.delay, deliver });
    this.#deliver();
  }

  #deliver(): void {
    clearTimeout(this.#timer);
    if (this.#path.isDown) return;
    for (let [next] = this.#underWay; next !== undefined; [next] = this.#underWay) {
      const wait = next.due - now();
      if (wait > 0) {
        this.#timer = setTimeout(() => this.#deliver(), wait);
        return;
      }
      this.#underWay.shift();
      next.deliver();
    }
  }

  #write(chunk: Buffer): void {
    if (this.#to.write(chunk)) return;
    this.#from.pause();
    this.#to.once('drain', () => this.#readOn());
  }

  #end(hadError: boolean, ended: (lane: Lane) => void): void {
    if (hadError) this.#to.destroy();
    else this.#to.destroySoon();
    ended(this);
  }

  #readOn(): void {
    if (!this.#path.isDown && !this.#to.writableNeedDrain) this.#from.resume();
  }
}

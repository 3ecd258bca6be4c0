/** The time between two looks at the event loop, in milliseconds. */
const TURN = 10;

interface Stall {
  readonly from: number;
  readonly to: number;
}

// The times in which this process did not get a processor, or a program blocked it: its own timer comes late. They
// must not count as delays of the kernel. Captured now, so that a test's fake timers change none of it.
const { setInterval, clearInterval } = globalThis;
const now = performance.now.bind(performance);
let stalls: Stall[] = [];
let watchers = 0;
let watching: NodeJS.Timeout | undefined;
let lastTurn = 0;

/** Counts the time in which this process does not run, until the function is called that this returns. */
export function watchStalls(): () => void {
  watchers += 1;
  if (watching === undefined) {
    lastTurn = now();
    watching = setInterval(noteTurn, TURN).unref();
  }
  return stopOne;
}

function stopOne(): void {
  watchers -= 1;
  if (watchers > 0) return;
  clearInterval(watching);
  watching = undefined;
  stalls = [];
}

function noteTurn(): void {
  const turn = now();
  if (turn - lastTurn > 2 * TURN) stalls.push({ from: lastTurn + TURN, to: turn });
  lastTurn = turn;
}

/** The part of a time that has passed in which this process did not run, if it was watched. */
export function stalledBetween(begin: number, end: number): number {
  if (watching !== undefined) noteTurn();
  const within = ({ from, to }: Stall) => Math.max(0, Math.min(to, end) - Math.max(from, begin));
  return stalls.reduce((sum, stall) => sum + within(stall), 0);
}

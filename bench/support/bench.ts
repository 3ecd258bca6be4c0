/** One line of a bench's table. */
export interface Row {
  readonly what: string;
  /** The number with its unit, as it is printed. */
  readonly measured: string;
  /** What it has to be, where the project has set itself a target. */
  readonly target?: string;
  /** Whether it is. Absent without a target. */
  readonly met?: boolean;
}

/** What every file beside main.ts exports as `bench`. */
export interface Bench {
  readonly title: string;
  /** Measures, and tells what could not be measured here and why as rows without a target. */
  run(): Promise<readonly Row[]>;
}

/** A row for what this machine cannot show. */
export function notMeasured(what: string, reason: string): Row {
  return { what, measured: `not measured: ${reason}` };
}

/** A row with an upper bound. */
export function atMost(what: string, value: number, limit: number, show: (value: number) => string): Row {
  return { what, measured: show(value), target: `<= ${show(limit)}`, met: value <= limit };
}

export function times(ratio: number): string {
  return `${ratio.toFixed(ratio < 0.1 ? 3 : 2)} x`;
}

export function microseconds(nanoseconds: number): string {
  const value = nanoseconds / 1000;
  return `${value.toFixed(value < 100 ? 2 : 0)} µs`;
}

export function milliseconds(value: number): string {
  return `${value.toFixed(1)} ms`;
}

export function bytes(value: number): string {
  return `${Math.round(value)} B`;
}

export function megabytes(value: number): string {
  return `${(value / 1e6).toFixed(1)} MB`;
}

/** When something happens, in milliseconds; `Infinity` is never. */
export interface DetectionWindow {
  /** Not before this, whatever the timers do. */
  readonly earliest: number;
  /** What the options say, with timers that are exact. */
  readonly nominal: number;
  /** Not after this, with timers as late as Linux's may be. */
  readonly latest: number;
}

/** Shared, and frozen because it is. */
export const NEVER: DetectionWindow = Object.freeze({
  earliest: Infinity,
  nominal: Infinity,
  latest: Infinity,
});

/** The window that covers all of these, in whole milliseconds. */
export function covering(
  earliest: readonly number[],
  nominal: number,
  latest: readonly number[],
): DetectionWindow {
  return {
    earliest: Math.floor(Math.min(nominal, ...earliest)),
    nominal,
    latest: Math.ceil(Math.max(nominal, ...latest)),
  };
}

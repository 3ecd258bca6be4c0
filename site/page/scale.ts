/** The values at which a slider stops. */
export type Scale = readonly number[];

/** Values from the first to the last of each stretch: `[from, to, step]`. */
export function scaleOf(...stretches: readonly (readonly [from: number, to: number, step: number])[]): Scale {
  const values = stretches.flatMap(([from, to, step]) =>
    Array.from({ length: Math.round((to - from) / step) + 1 }, (_, index) => from + index * step),
  );
  return [...new Set(values)];
}

const [SECOND, MINUTE, HOUR] = [1_000, 60_000, 3_600_000];

/** Times from a second to two hours: fine where it matters, and coarse after that. */
export const times: Scale = scaleOf(
  [SECOND, 30 * SECOND, SECOND],
  [30 * SECOND, 2 * MINUTE, 5 * SECOND],
  [2 * MINUTE, 10 * MINUTE, 30 * SECOND],
  [10 * MINUTE, HOUR, 5 * MINUTE],
  [HOUR, 2 * HOUR, 30 * MINUTE],
);

/** Numbers of connections: 1, 2, 5, 10 to a million. */
export const amounts: Scale = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000].flatMap((size) =>
  size === 1_000_000 ? [size] : [size, 2 * size, 5 * size],
);

/** The stop that is nearest to a value. */
export function stopOf(scale: Scale, value: number): number {
  const next = scale.findIndex((each) => each >= value);
  if (next <= 0) return next === 0 ? 0 : scale.length - 1;
  return value - (scale[next - 1] ?? 0) < (scale[next] ?? 0) - value ? next - 1 : next;
}

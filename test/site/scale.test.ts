import { expect, test } from 'vitest';
import { amounts, scaleOf, stopOf, times } from '../../site/page/scale.ts';

test('a scale goes up, and has each value once', () => {
  expect(scaleOf([1, 3, 1], [3, 9, 3])).toEqual([1, 2, 3, 6, 9]);
  for (const scale of [times, amounts]) {
    expect([...scale].sort((a, b) => a - b)).toEqual(scale);
    expect(new Set(scale).size).toBe(scale.length);
  }
  expect(scaleOf([0, 0.01, 0.001])).toHaveLength(11);
});

test.each([
  [0, 0],
  [1, 0],
  [4, 2],
  [5, 3],
  [6, 3],
  [100, 4],
  [Infinity, 4],
])('the stop nearest to %d is %d', (value, stop) => {
  expect(stopOf([1, 2, 3, 6, 9], value)).toBe(stop);
});

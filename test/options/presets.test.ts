import { expect, test } from 'vitest';
import { parseKeepAliveOptions } from '../../src/options/parse.ts';
import { presets } from '../../src/options/presets.ts';
import { predictDetection } from '../../src/predict/predict.ts';

const rows = [
  { name: 'database', values: [10_000, 5_000, 3, 24_500, 3_062], drop: 25_000 },
  { name: 'fastFailover', values: [5_000, 2_000, 3, 10_500, 1_312], drop: 11_000 },
  { name: 'websocket', values: [45_000, 15_000, 3, 89_500, 11_187], drop: 90_000 },
  { name: 'bulk', values: [10_000, 5_000, 3, 0, 2_000], drop: 25_000 },
  { name: 'tunnel', values: [30_000, 10_000, 6, 89_500, 11_187], drop: 90_000 },
  { name: 'loadBalancer', values: [60_000, 15_000, 4, 119_500, 14_937], drop: 120_000 },
] as const;

test('there are these, and nobody can change them', () => {
  expect(Object.keys(presets)).toEqual(rows.map(({ name }) => name));
  expect(Object.isFrozen(presets)).toBe(true);
  for (const preset of Object.values(presets)) expect(Object.isFrozen(preset)).toBe(true);
});

test.each(rows)('$name', ({ name, values, drop }) => {
  const [initialDelay, interval, count, userTimeout, maxRetransmitInterval] = values;
  const preset = presets[name];
  const five = { enable: true, initialDelay, interval, count, userTimeout };
  expect(preset).toStrictEqual({
    ...five,
    maxRetransmitInterval: name === 'bulk' ? maxRetransmitInterval : 'auto',
  });
  expect(parseKeepAliveOptions(name)).toEqual({ ...five, maxRetransmitInterval });
  if (name !== 'bulk') {
    expect(parseKeepAliveOptions({ ...preset, userTimeout: 'auto' })).toEqual(parseKeepAliveOptions(name));
    // Without a user timeout it would bound data in flight.
    expect(parseKeepAliveOptions({ ...preset, userTimeout: 0 })).toEqual({ ...five, userTimeout: 0 });
  }

  const { idle, probes, unacknowledged } = predictDetection(name);
  expect(idle.nominal).toBe(drop);
  expect(idle.latest).toBeLessThanOrEqual(drop * 1.13);
  expect(probes).toHaveLength(count);
  // Data in flight is given up after about as long as an idle connection.
  expect(unacknowledged.nominal).toBeGreaterThanOrEqual(userTimeout);
  expect(unacknowledged.nominal).toBeLessThan(name === 'bulk' ? 30_000 : drop + 500);
});

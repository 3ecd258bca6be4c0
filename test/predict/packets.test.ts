import { expect, test } from 'vitest';
import { parseKeepAliveOptions } from '../../src/options/parse.ts';
import { packetsOf } from '../../src/predict/packets.ts';

test.each([
  { preset: 'database', perHour: 720 },
  { preset: 'loadBalancer', perHour: 120 },
] as const)(
  'an idle connection of $preset sends and receives $perHour packets an hour',
  ({ preset, perHour }) => {
    const settings = parseKeepAliveOptions(preset);
    expect(packetsOf(settings)).toEqual({ perHour, connections: 10_000, perHourOfAll: perHour * 10_000 });
    expect(packetsOf(settings, 3)).toEqual({ perHour, connections: 3, perHourOfAll: perHour * 3 });
  },
);

import fs from 'node:fs';
import { expect, test } from 'vitest';
import type { KeepAliveOptions } from '../../src/options/options.ts';
import { type DetectionSystem, predictDetection } from '../../src/predict/predict.ts';

interface Run {
  readonly situation: string;
  readonly state: 'idle' | 'unacknowledged' | 'zeroWindow' | 'connecting';
  readonly options: KeepAliveOptions;
  readonly rto?: number;
  readonly system?: DetectionSystem;
  readonly diedAt: number;
  readonly code: string;
}

const { runs } = JSON.parse(
  fs.readFileSync(new URL('vectors/network-deaths.json', import.meta.url), 'utf8'),
) as { runs: Run[] };

/** How much later than the kernel Node was on a machine with as many processes as this had. */
const LATENESS = 100;

const situations = [...new Set(runs.map(({ state, situation }) => `${state}, ${situation}`))];

test.each(situations)('connections over a network died in their windows: %s', (name) => {
  for (const run of runs.filter(({ state, situation }) => name === `${state}, ${situation}`)) {
    const system = { hz: 250, rto: run.rto, ...run.system };
    const detection = predictDetection(run.options, system);
    const window =
      run.state === 'unacknowledged' && run.situation.startsWith('icmp')
        ? detection.unacknowledged.onIcmp
        : detection[run.state];
    expect(run.diedAt, JSON.stringify(run)).toBeGreaterThanOrEqual(window.earliest);
    expect(run.diedAt, JSON.stringify(run)).toBeLessThanOrEqual(window.latest + LATENESS);
  }
});

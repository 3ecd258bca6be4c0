import { describe, expect, test } from 'vitest';
import { drawLine, drawOutage, drawRuler, type Line } from '../../src/cli/timeline.ts';
import { neverClosed } from '../helpers/command-line.ts';

const at = (time: number, latest = time) => ({ earliest: time, nominal: time, latest });

describe('the ruler', () => {
  test('has a tick under the beginning of each time', () => {
    expect(drawRuler({ end: 30_000, columns: 31 })).toEqual([
      '0    5s   10s  15s  20s  25s',
      '├────┬────┬────┬────┬────┬─────',
    ]);
  });

  test.each([7_000, 90_000, 929_000, 7_875_000, 40 * 86_400_000])(
    'over %d ms has two to eight ticks',
    (end) => {
      const [, ticks] = drawRuler({ end, columns: 64 });
      expect(ticks).toHaveLength(64);
      expect(ticks.replaceAll('─', '').length).toBeGreaterThanOrEqual(2);
      expect(ticks.replaceAll('─', '').length).toBeLessThanOrEqual(8);
    },
  );
});

describe('a line', () => {
  const io = { out() {}, err() {}, columns: 80, color: false, isScreen: false, closed: neverClosed() };
  const scale = { end: 10_000, columns: 11 };

  test.each<{ which: string; line: Line; drawn: string }>([
    {
      which: 'is silent until the first probe, and shaded if the drop may be late',
      line: { body: '─', probes: [at(3_000), at(5_000)], drop: at(7_000, 9_000) },
      drawn: '···●─●─✖▒▒',
    },
    {
      which: 'without probes has a body from its beginning',
      line: { body: '━', probes: [], drop: at(4_000) },
      drawn: '━━━━✖',
    },
    {
      which: 'that ends after the ruler runs off it',
      line: { body: '━', probes: [], drop: at(60_000) },
      drawn: '━━━━━━━━━━▶',
    },
    {
      which: 'that never ends runs off the ruler',
      line: { body: '━', probes: [], drop: at(Infinity) },
      drawn: '━━━━━━━━━━▶',
    },
  ])('$which', ({ line, drawn }) => {
    expect(drawLine(io, line, scale)).toBe(drawn);
  });

  const wide = { end: 30_000, columns: 31 };

  test.each([
    { survives: 20_000, drawn: ['╰── survives 20s ───╯'] },
    { survives: 60_000, drawn: ['╰─────── survives 60s ────────▶'] },
    { survives: 10_000, drawn: ['╰─────────╯ survives 10s'] },
    { survives: 0, drawn: ['╰╯ survives 0s'] },
  ])('has a bracket under it, as long as an outage of $survives ms', ({ survives, drawn }) => {
    expect(drawOutage(io, survives, `survives ${survives / 1_000}s`, wide)).toEqual(drawn);
  });

  test('has the words under the bracket if there is no room beside it', () => {
    expect(drawOutage(io, 20_000, 'survives an outage of 20s', wide)).toEqual([
      '╰───────────────────╯',
      'survives an outage of 20s',
    ]);
  });
});

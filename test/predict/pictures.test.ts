import { expect, test } from 'vitest';
import { parseKeepAliveOptions } from '../../src/options/parse.ts';
import { drawPicture, drawReport, type Picture, type Row } from '../../src/predict/drawing.ts';
import type { DetectionWindow } from '../../src/predict/predict.ts';
import { reportOf } from '../../src/predict/report.ts';

// Pictures that people have looked at, in test/predict/pictures. After a change that is meant, look at the new ones:
// npx vitest run test/predict/pictures.test.ts -u

const at = (nominal: number, latest = nominal, earliest = nominal): DetectionWindow => ({
  earliest,
  nominal,
  latest,
});

const never = at(Infinity);

const plain: Row = { label: 'idle', note: 'dropped', probes: [at(2_000)], drop: at(4_000, 5_000) };

/** A picture of the default width, whose ruler goes from 134 to 736. */
function picture(changes: Partial<Picture>): string {
  return drawPicture({
    title: 'a title',
    description: 'in words',
    rows: [plain],
    end: 6_020,
    theme: 'dark',
    ...changes,
  });
}

/** The time at which something is at a place of such a picture. */
const timeAt = (x: number) => (x - 134) * 10;

const letters = (count: number) => 'x'.repeat(count);

const pictures: Readonly<Record<string, () => string>> = {
  report: () =>
    drawReport(reportOf('options', parseKeepAliveOptions('database'), {}), {
      path: 40_000,
      deadline: 30_000,
    }),
  narrow: () =>
    drawReport(reportOf('options', parseKeepAliveOptions('loadBalancer'), {}), {
      width: 320,
      path: 'azure-lb',
      deadline: 60_000,
      theme: 'light',
    }),
  'no-probes': () =>
    drawReport(reportOf('options', parseKeepAliveOptions({ userTimeout: 5_000 }), {}), { theme: 'dark' }),
  // A mark at twice the end of the rows is still drawn, and makes room for itself.
  'far-mark': () => {
    const report = reportOf('options', parseKeepAliveOptions('database'), {});
    return drawReport(report, { deadline: 2 * report.detection.idle.latest, theme: 'light' });
  },
  'farther-mark': () => {
    const report = reportOf('options', parseKeepAliveOptions('database'), {});
    return drawReport(report, { deadline: 2 * report.detection.idle.latest + 1, theme: 'light' });
  },
  groups: () =>
    picture({
      rows: [
        { ...plain, heading: 'the first group', survives: 3_000 },
        { ...plain, label: 'in flight', probes: [], survives: 0 },
        {
          ...plain,
          heading: 'the second group',
          probes: [],
          drop: never,
          survives: Infinity,
          note: 'never · at all',
        },
        { ...plain, drop: never },
      ],
    }),
  // All of it happens at the end of the picture, or just before or after.
  'at-the-end': () =>
    picture({
      rows: [
        { ...plain, probes: [at(5_000), at(6_020)], drop: at(6_020, 6_040, 6_000), survives: 6_020 },
        { ...plain, probes: [at(6_030)], drop: at(6_021), survives: 6_021 },
        { ...plain, probes: [at(1_000), at(7_000)], drop: at(6_010, 7_000) },
        // No new connection is seen to work.
        { ...plain, drop: at(5_000, 6_020), isReplaced: true },
      ],
      marks: [
        { kind: 'path', time: 6_020, label: 'a path' },
        { kind: 'deadline', time: 6_021, label: 'a deadline' },
      ],
    }),
  // A label has room on the left of its line from the middle on, and loses its last part if there is too little.
  labels: () =>
    picture({
      marks: [
        { kind: 'path', time: 3_010, label: 'at the middle' },
        { kind: 'path', time: 3_011, label: 'right of it' },
        // 50 letters take 322 pixels, and the sign before them 14: this line has 336 on its right.
        { kind: 'path', time: timeAt(399.9), label: `${letters(40)} · ${letters(7)}` },
        { kind: 'path', time: timeAt(400), label: `${letters(40)} · ${letters(7)}` },
        { kind: 'path', time: timeAt(400.5), label: `${letters(40)} · ${letters(7)}` },
        { kind: 'path', time: timeAt(402), label: `${letters(40)} · ${letters(7)}` },
        { kind: 'deadline', time: timeAt(414), label: letters(50) },
        { kind: 'deadline', time: timeAt(414.1), label: letters(50) },
        { kind: 'deadline', time: timeAt(600), label: `${letters(60)} · ${letters(7)}` },
        { kind: 'deadline', time: timeAt(600), label: `${letters(90)} · ${letters(7)}` },
        { kind: 'deadline', time: timeAt(600), label: letters(92) },
      ],
    }),
  'no-rows': () => picture({ rows: [], marks: [{ kind: 'path', time: 1_000, label: 'a path' }] }),
  // The dots of more than 40 probes are small.
  'many-probes': () => {
    const probes = Array.from({ length: 41 }, (_, index) => at(1_000 + 100 * index));
    return picture({
      rows: [
        { ...plain, probes },
        { ...plain, probes: probes.slice(1) },
      ],
    });
  },
  // The last tick is 14 pixels before the end of the ruler, where its name is still in the middle.
  'last-tick': () => picture({ end: (6_000 * 602) / 588 }),
  'last-tick-nearer': () => picture({ end: (6_000 * 602) / 588.5 }),
  // Half of the names of a narrow one have room, if there are more than five.
  'five-ticks': () => picture({ width: 559, end: 4_000 }),
  'six-ticks': () => picture({ width: 559, end: 5_000 }),
  // At this width it is no longer narrow.
  wide: () => picture({ width: 560, end: 5_000 }),
  // A note takes one line as long as it is not longer than the picture.
  'notes-fit': () =>
    picture({ width: 32 + 322, rows: [{ ...plain, note: `${letters(40)} · ${letters(7)}` }] }),
  'notes-fit-not': () =>
    picture({ width: 353, rows: [{ ...plain, note: `${letters(40)} · ${letters(7)}` }] }),
  // So does the legend.
  'legend-fits': () => picture({ width: 16 + (16 + 20 + 32.2 + 16) + (20 + 45.1) }),
  'legend-fits-not': () => picture({ width: 165, rows: [{ ...plain, survives: 1_000 }] }),
  'less-than-a-sign': () => picture({ width: 80 }),
};

test.each(Object.keys(pictures))('%s', async (name) => {
  await expect(pictures[name]?.()).toMatchFileSnapshot(`pictures/${name}.svg`);
});

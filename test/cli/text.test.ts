import { expect, test } from 'vitest';
import type { Io } from '../../src/cli/command.ts';
import { json, labelled, paint, width } from '../../src/cli/text.ts';
import { grouped } from '../../src/options/show.ts';
import { ESCAPE, neverClosed } from '../helpers/command-line.ts';

function io(given: Partial<Io>): Io {
  return { out() {}, err() {}, columns: 80, color: false, isScreen: false, closed: neverClosed(), ...given };
}

test.each([
  { columns: 20, expected: 50 },
  { columns: 60, expected: 60 },
  { columns: 200, expected: 80 },
])('in a terminal of $columns columns, lines have $expected', ({ columns, expected }) => {
  expect(width(io({ columns }))).toBe(expected);
});

test('text is coloured only if colour is wanted', () => {
  expect(paint(io({}), 'red', 'text')).toBe('text');
  expect(paint(io({ color: true }), 'red', 'text')).toBe(`${ESCAPE}31mtext${ESCAPE}39m`);
});

test('text is broken between words and indented under its label', () => {
  expect(labelled('ok  ', 'one two three', 4, 12)).toBe('ok  one two\n    three');
});

test.each([
  [0, '0'],
  [0.012_3, '0.012'],
  [9.96, '10'],
  [999.4, '999'],
  [7_200_000, '7 200 000'],
])('%d is written %s', (value, text) => {
  expect(grouped(value)).toBe(text);
});

test('JSON has null for never', () => {
  expect(json({ latest: Infinity })).toBe('{\n  "latest": null\n}\n');
});

test('no line ends within a number, or between it and its unit', () => {
  const text = 'each 10 000 of 7 200 000 within 24.5 s and 400 ms or so';
  for (let columns = 12; columns < 60; columns++) {
    const lines = labelled('', text, 0, columns).split('\n');
    expect(lines.join(' ')).toBe(text);
    for (const whole of ['10 000', '7 200 000', '24.5 s', '400 ms']) {
      expect(lines.filter((line) => line.includes(whole))).toHaveLength(1);
    }
  }
});

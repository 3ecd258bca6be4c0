import { describe, expect, test } from 'vitest';
import { optionNames } from '../../src/options/options.ts';
import {
  didYouMean,
  grouped,
  hostText,
  listed,
  printable,
  quoted,
  shown,
  shownInstead,
  wrap,
} from '../../src/options/show.ts';

describe('a value in a message', () => {
  class Agent {}
  test.each([
    [undefined, 'undefined'],
    [null, 'null'],
    [60, '`60` (number)'],
    [-0, '`0` (number)'],
    [60n, '`60` (bigint)'],
    ['60', '`60` (string)'],
    ['', '`` (string)'],
    [true, '`true` (boolean)'],
    [Symbol('5'), '`Symbol(5)` (symbol)'],
    [() => 5, 'a function'],
    [Agent, 'a function'],
    [[5], 'an array'],
    [{ count: 5 }, 'an object'],
    [Object.create(null), 'an object'],
    [new Agent(), 'an object of class Agent'],
    [new Map(), 'an object of class Map'],
    [new (class {})(), 'an object'],
  ])('%o is shown as %s', (value, text) => {
    expect(shown(value)).toBe(text);
  });

  test('is another object if an object was expected', () => {
    expect(shownInstead({})).toBe('another object');
    expect(shownInstead(new Agent())).toBe('an object of class Agent');
    expect(shownInstead(5)).toBe('`5` (number)');
  });

  test('is cut after 40 characters', () => {
    const Long = class {};
    Object.defineProperty(Long, 'name', { value: 'L'.repeat(41) });
    expect(shown(new Long())).toBe(`an object of class ${'L'.repeat(40)}`);
    expect(quoted('x'.repeat(40))).toBe(`\`${'x'.repeat(40)}\``);
    expect(quoted('x'.repeat(41))).toBe(`\`${'x'.repeat(40)}...\``);
  });
});

describe('text from elsewhere stays in its line', () => {
  test.each([
    ['a\nb', 'a\\nb'],
    ['a\rb', 'a\\u000db'],
    ['a\tb', 'a\\u0009b'],
    ['\u0000', '\\u0000'],
    ['\u001b[31m', '\\u001b[31m'],
    ['\u007f', '\\u007f'],
    ['\u0085', '\\u0085'],
    ['\u009f', '\\u009f'],
    // A log viewer breaks the line at these two, as at a line feed.
    ['a\u2028b', 'a\\u2028b'],
    ['a\u2029b', 'a\\u2029b'],
    ['\u00a0\u2027\u202aä😀', '\u00a0\u2027\u202aä😀'],
  ])('%j is printed as %s', (text, printed) => {
    expect(printable(text)).toBe(printed);
    expect(quoted(text)).toBe(`\`${printed}\``);
  });
});

test('names are listed, each in quotes', () => {
  expect(listed(['rules', '$schema'])).toBe('`rules`, `$schema`');
});

test.each([
  { name: 'intervall', hint: '; did you mean `interval`?' },
  { name: 'INTERVAL', hint: '; did you mean `interval`?' },
  { name: 'cuont', hint: '; did you mean `count`?' },
  { name: 'userTimeot', hint: '; did you mean `userTimeout`?' },
  // A third of the letters may differ.
  { name: 'user---eout', hint: '; did you mean `userTimeout`?' },
  { name: 'user----out', hint: '' },
  { name: 'keepalive', hint: '' },
])('for $name the hint is "$hint"', ({ name, hint }) => {
  expect(didYouMean(name, optionNames)).toBe(hint);
});

test.each([
  { text: 'one two three', columns: 13, lines: ['one two three'] },
  { text: 'one two three', columns: 12, lines: ['one two', 'three'] },
  { text: 'one two three', columns: 3, lines: ['one', 'two', 'three'] },
  { text: 'https://localhost/ is longer', columns: 9, lines: ['https://localhost/', 'is longer'] },
  { text: '', columns: 10, lines: [''] },
])('$text is broken between words, in $columns columns', ({ text, columns, lines }) => {
  expect(wrap(text, columns)).toEqual(lines);
});

test.each([
  { name: 'db.internal', address: '10.0.0.5', text: 'db.internal (10.0.0.5)' },
  { name: 'db.internal', address: '::1', text: 'db.internal ([::1])' },
  { name: 'db.internal', address: undefined, text: 'db.internal' },
  { name: undefined, address: '10.0.0.5', text: '10.0.0.5' },
  { name: undefined, address: '::1', text: '[::1]' },
  { name: undefined, address: undefined, text: undefined },
])('a host is named by its name $name and its address $address: $text', ({ name, address, text }) => {
  expect(hostText(name, address)).toBe(text);
});

test.each([
  [0, '0'],
  [0.012_34, '0.012'],
  [1.26, '1.3'],
  [9.94, '9.9'],
  [10, '10'],
  [99.6, '100'],
  [999, '999'],
  [1_000, '1 000'],
  [1_234_567.8, '1 234 568'],
])('the number %d is shown as %s', (value, text) => {
  expect(grouped(value)).toBe(text);
});

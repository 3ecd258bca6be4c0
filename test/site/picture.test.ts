import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { timeLines } from '../../site/picture.ts';

const pictures = Object.entries(timeLines()).map(([name, svg]) => ({ name, svg }));
const committed = (name: string) =>
  readFileSync(new URL(`../../docs/images/${name}`, import.meta.url), 'utf8');

describe.each(pictures)('$name', ({ name, svg }) => {
  test('is committed as the code draws it: `npm run docs` writes it', () => {
    expect(committed(name)).toBe(svg);
  });

  test('says how long a pool hangs, and how soon one that is held does not', () => {
    const [, description = ''] = /<desc>(.*)<\/desc>/.exec(svg) ?? [];
    expect(description).toMatch(/as it comes\. idle: never noticed.* hangs for 15m29s/);
    expect(description).toMatch(/preset database\. idle: noticed after 25s .* fails after 24\.9s /);
    expect(svg.match(/class="tk-heading"/g)).toHaveLength(2);
  });

  test('shows a new connection from the drop on, but for the one that is never dropped', () => {
    const starts = [...svg.matchAll(/class="tk-works" d="M([\d.]+) \d+H/g)].map(([, x]) => Number(x));
    const bands = [...svg.matchAll(/class="tk-late" x="([\d.]+)"/g)].map(([, x]) => Number(x));
    expect(starts).toHaveLength(3);
    for (const [index, start] of starts.entries())
      expect(start).toBeGreaterThanOrEqual(bands[index] ?? Infinity);
    expect(starts[0]).toBeGreaterThan(10 * ((starts[1] ?? Infinity) - (bands[1] ?? 0)));
  });

  test('has room for its headings', () => {
    const [, width = '0'] = / width="(\d+)"/.exec(svg) ?? [];
    for (const [, heading = ''] of svg.matchAll(/class="tk-heading"[^>]*>([^<]+)</g)) {
      // A letter of a heading has 14 pixels, and is a little more than half as wide.
      expect(16 + heading.length * 14 * 0.59).toBeLessThanOrEqual(Number(width));
    }
  });

  test('brings all that it needs', () => {
    expect(svg).not.toMatch(/<script|href=|url\(|@import/);
  });
});

test('the README shows each of them', () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  expect(pictures.filter(({ name }) => !readme.includes(`docs/images/${name}`))).toEqual([]);
});

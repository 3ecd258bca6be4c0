import { readFileSync } from 'node:fs';
import type { PresetName } from 'tcp-keepalive';
import * as library from 'tcp-keepalive';
import { describe, expect, test } from 'vitest';
import { indexPage, llmsText } from '../../site/pages.ts';
import { pages, readPage } from '../helpers/pages.ts';

describe('the README', () => {
  const readme = readPage('README.md');

  test('stays under 1 600 words', () => {
    expect(wordsOf(readme)).toBeLessThan(1_600);
  });

  test('shows a program, how to install it, and the two commands of a clone before its first heading', () => {
    const opening = readme.slice(0, readme.indexOf('\n## '));
    const order = ['```ts', 'npm install tcp-keepalive', 'npm ci && npm run demo', 'npm ci && npm test'];
    const places = order.map((text) => opening.indexOf(text));
    expect(places).not.toContain(-1);
    expect(places).toEqual(places.toSorted((one, other) => one - other));
  });
});

describe.each(Object.keys(library.presets) as PresetName[])('the preset %s', (name) => {
  const { initialDelay, interval, count, userTimeout } = library.presets[name];
  const { idle, survives } = library.predictDetection(name);
  const seconds = (ms: number) => Math.round(ms / 1_000);
  const times = [initialDelay, interval, count, userTimeout].map(grouped).join(' / ');
  const noticed = `${seconds(idle.nominal)} s`;
  const survived = `${seconds(survives.idle)} / ${seconds(survives.unacknowledged)} s`;

  test('has its times in the README', () => {
    expect(readPage('README.md')).toContain(`| \`${name}\` | ${times} | ${noticed} | ${survived} |`);
  });

  test('has its outages in docs/options.md', () => {
    expect(readPage('docs/options.md')).toContain(`| \`${name}\` | ${noticed} | ${survived} |`);
  });
});

test.each(pages)('%s has one title, and a first sentence that says who needs it', (page) => {
  const prose = proseOf(page);
  expect(prose.match(/^# .+$/gm)).toHaveLength(1);
  expect(prose).toMatch(/^# .+\n\n[A-Z*`][^|#]+[.:?]/);
});

test.each(pages.filter((page) => page.startsWith('docs/guides/')))(
  '%s is short enough to be read',
  (page) => {
    expect(wordsOf(proseOf(page))).toBeLessThan(1_000);
  },
);

test.each(Object.keys(library))('docs/api.md has %s', (name) => {
  expect(readPage('docs/api.md')).toMatch(new RegExp(`\`${name}\\b`));
});

describe('written by `npx tsx site/pages.ts`, which has to be run again:', () => {
  test('docs/README.md has every page', () => {
    expect(readPage('docs/README.md')).toBe(indexPage());
    const listed = [...indexPage().matchAll(/^- \[.+\]\((.+)\): \S/gm)].map(([, link]) => `docs/${link}`);
    const others = pages.filter((page) => !page.endsWith('README.md'));
    expect(listed.sort()).toEqual([...others].sort());
  });

  test('llms.txt has the program of the README, and every page', () => {
    expect(readFileSync(new URL('../../llms.txt', import.meta.url), 'utf8')).toBe(llmsText());
    for (const page of pages) if (page !== 'docs/README.md') expect(llmsText()).toContain(`](${page})`);
    expect(llmsText()).toContain("import { keepAlivePg } from 'tcp-keepalive/pg';");
  });
});

/** A number with a space before each thousand. */
function grouped(number: number): string {
  return String(number).replace(/\B(?=(\d{3})+$)/g, ' ');
}

/** A page without its blocks. */
function proseOf(page: string): string {
  return readPage(page).replace(/^```[\s\S]*?^```$/gm, '');
}

function wordsOf(text: string): number {
  return text.split(/\s+/).filter((word) => word !== '').length;
}

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { deadLinks } from '../../site/links.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tcp-keepalive-'));
  mkdirSync(path.join(folder, 'docs'));
  write('index.html', '<h1 id="top">Top</h1>');
  write('docs/list.html', '<h2 id="single-probe">single-probe</h2>');
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(file: string, html: string): void {
  writeFileSync(path.join(folder, file), html);
}

test('a link to a file, to a heading of it, or of the page itself, leads somewhere', () => {
  write(
    'docs/page.html',
    '<p id="a&amp;b"><a href="../index.html#top">1</a><a href="list.html#single-probe">2</a><a href="#a&amp;b">3</a>' +
      '<a href="https://nodejs.org/">4</a><a href="mailto:somebody@example.com">5</a>',
  );
  expect(deadLinks(folder)).toEqual([]);
});

test.each([
  'lost.html',
  '../list.html',
  'list.html#other',
  '#nothing',
  // A server shows the page of a folder, and a file system does not.
  '../',
])('a link to %s leads nowhere', (address) => {
  write('docs/page.html', `<a href="${address}">`);
  expect(deadLinks(folder)).toEqual([`docs/page.html links to ${address}`]);
});

test.each([
  '<script src="https://cdn.example.com/a.js">',
  '<script async src="//cdn.example.com/a.js">',
  '<link rel="stylesheet" href="https://cdn.example.com/a.js">',
  '<source srcset="https://cdn.example.com/a.js">',
  '<img alt="" src="https://cdn.example.com/a.js">',
])('what %s fetches from elsewhere is named', (html) => {
  write('docs/page.html', html);
  expect(deadLinks(folder)).toEqual([
    expect.stringMatching(/^docs\/page\.html fetches .*cdn\.example\.com\/a\.js$/),
  ]);
});

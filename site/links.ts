import { readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';

/** The addresses that an element of a page names. */
const ADDRESS = /\s(?:href|src|srcset)="([^"]*)"/g;
/** What a browser fetches without being asked. */
const FETCHED = /<(?:script|img|iframe|source|link)\b[^>]*?\s(?:src|srcset|href)="((?:https?:)?\/\/[^"]*)"/g;

/** Lists the links of a site that lead nowhere, and what its pages would fetch from elsewhere. */
export function deadLinks(folder: string): string[] {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => posix.join(entry.parentPath.replaceAll('\\', '/'), entry.name))
    .map((file) => posix.relative(folder, file));
  const pages = new Map(
    files
      .filter((file) => file.endsWith('.html'))
      .map((file) => [file, readFileSync(posix.join(folder, file), 'utf8')]),
  );
  const anchors = new Map([...pages].map(([file, html]) => [file, anchorsOf(html)]));
  return [...pages].flatMap(([file, html]) => [
    ...matches(html, FETCHED).map((address) => `${file} fetches ${address}`),
    ...matches(html, ADDRESS)
      .filter((address) => !/^(?:[a-z]+:|\/\/)/.test(address))
      .filter((address) => !isThere(file, address))
      .map((address) => `${file} links to ${address}`),
  ]);

  function isThere(from: string, address: string): boolean {
    const [path = '', anchor = ''] = unescaped(address).split('#');
    const target = path === '' ? from : posix.join(posix.dirname(from), decodeURIComponent(path));
    if (!files.includes(target)) return false;
    return anchor === '' || (anchors.get(target)?.has(decodeURIComponent(anchor)) ?? target.endsWith('.svg'));
  }
}

function anchorsOf(html: string): Set<string> {
  return new Set(matches(html, /\sid="([^"]*)"/g).map(unescaped));
}

function matches(html: string, pattern: RegExp): string[] {
  return [...new Set([...html.matchAll(pattern)].map(([, found = '']) => found))];
}

function unescaped(text: string): string {
  return text.replaceAll('&amp;', '&').replaceAll('&quot;', '"').replaceAll('&#39;', "'");
}

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** A fenced block of a Markdown page. */
export interface Block {
  /** The page, from the root of the repository. */
  readonly page: string;
  /** The line of the page on which the fence opens. */
  readonly line: number;
  readonly language: string;
  /** What follows the language on the fence, such as `needs DATABASE_URL`. */
  readonly mark: string;
  readonly text: string;
}

/** The README, the manual's pages and the guides. */
export const pages: readonly string[] = ['README.md', ...markdownIn('docs/'), ...markdownIn('docs/guides/')];

export const blocks: readonly Block[] = pages.flatMap(blocksOf);

export function readPage(page: string): string {
  return readFileSync(root + page, 'utf8');
}

function markdownIn(folder: string): string[] {
  if (!existsSync(root + folder)) return [];
  const names = readdirSync(root + folder).filter((name) => name.endsWith('.md'));
  return names.sort().map((name) => folder + name);
}

function blocksOf(page: string): Block[] {
  const text = readPage(page);
  return [...text.matchAll(/^```(\w*) ?(.*)\n([\s\S]*?)^```$/gm)].map(
    ({ index, 1: language = '', 2: mark = '', 3: code = '' }) => ({
      page,
      line: text.slice(0, index).split('\n').length,
      language,
      mark,
      text: code,
    }),
  );
}

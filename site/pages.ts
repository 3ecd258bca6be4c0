// The index of the manual (docs/README.md) and llms.txt, made of each page's title and first sentence, so that a page
// that is added is listed: npx tsx site/pages.ts
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('../', import.meta.url));

/** The sections of the index, with the pages that come first in each. A page that none names is in the last. */
const sections: Readonly<Record<string, readonly string[]>> = {
  'Something is wrong': [
    'guides/by-symptom',
    'guides/what-your-code-sees',
    'guides/timeouts-and-locks',
    'errors',
    'findings',
    'guides/myths',
    'limits',
  ],
  'My situation': [
    'guides/failover',
    'guides/behind-proxies',
    'guides/idle-limits',
    'guides/serverless',
    'guides/containers-and-kubernetes',
    'guides/bundlers',
    'guides/frameworks',
    'guides/queues-and-subscribers',
    'guides/bulk-and-streams',
    'guides/websockets-and-sse',
    'guides/http-keep-alive',
    'guides/when-not-to',
  ],
  'Is it so?': [
    'guides/proving-it',
    'drill',
    'testing',
    'observability',
    'guides/seen-on-the-wire',
    'guides/what-it-costs',
    'test-matrix',
    'compared',
  ],
  'How do I ...': ['install', 'drivers', 'orms', 'rules', 'layers', 'cli', 'options', 'api', 'systems'],
};

interface Page {
  /** Where it is, from docs/, without `.md`. */
  readonly name: string;
  readonly title: string;
  /** Its first sentence, which says for whom it is. */
  readonly summary: string;
}

/** The text of docs/README.md. */
export function indexPage(): string {
  return `# All pages, by question

Read this page if you have a question and look for the page that answers it. Start with the [README](../README.md).
${sectionsWith('')}`;
}

/** The text of llms.txt, in the form of https://llmstxt.org: what the package is, a program, and every page. */
export function llmsText(): string {
  const readme = readFileSync(`${root}README.md`, 'utf8');
  const [, sentence = ''] = /^# .*\n\n(.+)$/m.exec(readme) ?? [];
  const why = readme.slice(readme.indexOf(sentence) + sentence.length, readme.indexOf('```ts')).trim();
  const [program = ''] = /^```ts[\s\S]*?^```$/m.exec(readme) ?? [];
  return `# tcp-keepalive

> ${sentence}

${why}

${program}
${sectionsWith('docs/')}
## Optional

- [README](README.md): options, presets and platforms as tables
- [Changes](CHANGELOG.md): what each version has changed
`;
}

function sectionsWith(folder: string): string {
  const pages = readPages();
  const named = Object.values(sections).flat();
  const rest = pages.filter(({ name }) => !named.includes(name)).map(({ name }) => name);
  const all = Object.entries(rest.length === 0 ? sections : { ...sections, More: rest });
  return all
    .map(([title, names]) => {
      const listed = names.flatMap((name) => pages.filter((page) => page.name === name));
      if (listed.length === 0) return '';
      const lines = listed.map((page) => `- [${page.title}](${folder}${page.name}.md): ${page.summary}`);
      return `\n## ${title}\n\n${lines.join('\n')}\n`;
    })
    .join('');
}

function readPages(): Page[] {
  return [...namesIn(''), ...namesIn('guides/')].map((name) => {
    const text = readFileSync(`${root}docs/${name}.md`, 'utf8');
    const [, title = '', opening = ''] = /^# (.+)\n\n([\s\S]+?)\n\n/.exec(text) ?? [];
    const [sentence = ''] = /^[\s\S]+?(?:[.?](?=\s|$)|:$)/.exec(opening) ?? [];
    // A link would lead from another folder.
    const summary = sentence.replace(/\s+/g, ' ').replace(/\[([^\]]+)\]\([^)]*\)/g, '$1');
    return { name, title, summary: summary.replace(/^Read this page /, '').replace(/:$/, '.') };
  });
}

function namesIn(folder: string): string[] {
  if (!existsSync(`${root}docs/${folder}`)) return [];
  const names = readdirSync(`${root}docs/${folder}`).filter((name) => name.endsWith('.md'));
  return names
    .filter((name) => name !== 'README.md')
    .sort()
    .map((name) => folder + name.slice(0, -'.md'.length));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  writeFileSync(`${root}docs/README.md`, indexPage());
  writeFileSync(`${root}llms.txt`, llmsText());
}

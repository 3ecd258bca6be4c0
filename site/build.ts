import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { gzipSync } from 'node:zlib';
import {
  Application,
  Converter,
  type DocumentReflection,
  KindRouter,
  PageEvent,
  type Reflection,
} from 'typedoc';
import packageJson from '../package.json' with { type: 'json' };
import { calculatorPage } from './calculator.ts';
import { deadLinks } from './links.ts';

// `npm run docs`: the site, as files that need no server and fetch nothing from elsewhere.

const folder = 'docs-dist';

/** The pages are in folders, so that what leads to the front page depends on where it stands. */
const FRONT_PAGE = 'front-page:';

async function writeReference(): Promise<void> {
  const app = await Application.bootstrapWithPlugins({
    out: join(folder, 'docs'),
    skipErrorChecking: true,
    navigationLinks: { Calculator: FRONT_PAGE },
    router: 'files',
  });
  app.renderer.defineRouter('files', FileRouter);
  app.converter.on(Converter.EVENT_CREATE_DOCUMENT, (_, page) => describe(page));
  app.renderer.on(PageEvent.END, (page) => {
    const toFront = `${'../'.repeat(page.url.split('/').length)}index.html`;
    page.contents = (page.contents ?? '')
      .replaceAll(FRONT_PAGE, toFront)
      // A folder shows its page on a server only.
      .replace(/href="((?:\.{1,2}\/)+)(#[^"]*)?"/g, 'href="$1index.html$2"');
  });
  const project = await app.convert();
  if (project === undefined) throw new Error('typedoc could not read the sources');
  app.validate(project);
  await app.generateOutputs(project);
  if (app.logger.hasErrors() || app.logger.hasWarnings()) process.exitCode = 1;
}

/** Names a page of prose by its heading, and keeps the guides together. */
function describe(page: DocumentReflection): void {
  const text = page.content.map((part) => part.text).join('');
  page.name = /^# (.+)$/m.exec(text)?.[1] ?? page.name;
  if (fileOf(page).startsWith('guides/')) page.frontmatter.group = 'Guides';
}

/** The file of a page of prose, from `docs/`. */
function fileOf(page: Reflection): string {
  return relative('docs', page.project.files.getReflectionPath(page) ?? '').replaceAll('\\', '/');
}

/** A page of prose is at the address of its file, whatever its heading is. */
class FileRouter extends KindRouter {
  protected override getIdealBaseName(reflection: Reflection): string {
    return reflection.isDocument()
      ? fileOf(reflection).replace(/\.md$/, '')
      : super.getIdealBaseName(reflection);
  }
}

await rm(folder, { recursive: true, force: true });
await mkdir(folder, { recursive: true });
const calculator = await calculatorPage(packageJson.version);
await writeFile(join(folder, 'index.html'), calculator);
await writeReference();
const dead = deadLinks(folder);
for (const link of dead) console.error(link);
console.log(
  `${folder}/index.html: ${(gzipSync(calculator).length / 1_000).toFixed(1)} kB compressed. Dead links: ${dead.length}.`,
);
if (dead.length > 0) process.exitCode = 1;

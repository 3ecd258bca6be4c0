import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { pages } from './helpers/pages.ts';

const manifest = JSON.parse(readFileSync('package.json', 'utf8'));
const docs = readdirSync('docs', { recursive: true, encoding: 'utf8' })
  .filter((path) => /\.(md|svg)$/.test(path))
  .map((path) => join('docs', path));

/** What `npm pack` would put into the tarball; `dist` only where it was built. */
function packedFiles(): string[] {
  const report = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const packed = JSON.parse(report);
  // npm 11 answers with an object by name, npm 10 with a list.
  const [{ files }] = Object.values(packed) as [{ files: { path: string }[] }];
  return files.map(({ path }) => path);
}

const tarball = packedFiles();

test('the tarball holds the built files, the docs, the schema and five texts, and nothing else', () => {
  const built = /^dist\/(cli\/)?[\w-]+\.(js|cjs|d\.ts|d\.cts)$/;
  const others = tarball.filter((path) => !built.test(path));
  const texts = [
    'CHANGELOG.md',
    'LICENSE',
    'README.md',
    'llms.txt',
    'package.json',
    'schema/rules.schema.json',
  ];
  expect(others.sort()).toEqual([...texts, ...docs].sort());
});

test.each(['CHANGELOG.md', ...pages])('every link of %s leads to what the tarball holds', (text) => {
  for (const link of linksOf(text)) {
    const [path = '', anchor] = link.split('#');
    const target = path === '' ? text : join(dirname(text), path);
    expect(tarball, link).toContain(target);
    if (anchor !== undefined) expect(anchorsOf(target), link).toContain(anchor);
  }
});

// Pictures are shown by the repository, and are not in the tarball.
test.each(pages)('every picture of %s is there', (text) => {
  const pictures = [...readFileSync(text, 'utf8').matchAll(/\b(?:src|srcset)="([^"]+)"/g)];
  expect(pictures.filter(([, picture = '']) => !existsSync(join(dirname(text), picture)))).toEqual([]);
});

/** The links of a page that do not lead elsewhere. */
function linksOf(text: string): string[] {
  const prose = readFileSync(text, 'utf8').replace(/^```[\s\S]*?^```$/gm, '');
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, link = '']) => link)
    .filter((link) => !link.startsWith('https:'));
}

/** What GitHub and npm make of the headings. */
function anchorsOf(text: string): string[] {
  return [...readFileSync(text, 'utf8').matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\w\s-]/g, '')
      .replaceAll(' ', '-'),
  );
}

test('nothing runs when the package is installed', () => {
  const hooks = ['preinstall', 'install', 'postinstall', 'prepare'];
  expect(Object.keys(manifest.scripts).filter((name) => hooks.includes(name))).toEqual([]);
});

const lockfiles = ['.', 'bench', 'test/runtimes', 'test/drivers/more', 'test/guides', 'test/site'].map(
  (folder) => join(folder, 'package-lock.json'),
);

test.each(lockfiles)('%s names no registry, so that each installs from their own', (lockfile) => {
  expect(readFileSync(lockfile, 'utf8')).not.toMatch(/"resolved": "(?!file:)/);
});

test("koffi's platform packages are the only dependencies, and every peer is optional", () => {
  expect(manifest.dependencies).toBeUndefined();
  for (const name of Object.keys(manifest.optionalDependencies)) expect(name).toMatch(/^@koromix\/koffi-/);
  for (const peer of Object.keys(manifest.peerDependencies)) {
    expect(manifest.peerDependenciesMeta[peer]).toEqual({ optional: true });
  }
});

test('CONTRIBUTING.md names only what is there', () => {
  const text = readFileSync('CONTRIBUTING.md', 'utf8');
  const paths = [...text.matchAll(/`((?:\.?[\w-]+\/)+[\w.-]*)`/g)].map(([, path = '']) => path);
  expect(paths.filter((path) => !existsSync(path))).toEqual([]);
});

import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const manifest = JSON.parse(readFileSync('package.json', 'utf8'));

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

test('the tarball holds the built files, the schema and four texts, and nothing else', () => {
  const built = /^dist\/(cli\/)?[\w-]+\.(js|cjs|d\.ts|d\.cts)$/;
  const others = packedFiles().filter((path) => !built.test(path));
  expect(others.sort()).toEqual([
    'CHANGELOG.md',
    'LICENSE',
    'README.md',
    'package.json',
    'schema/rules.schema.json',
  ]);
});

test('nothing runs when the package is installed', () => {
  const hooks = ['preinstall', 'install', 'postinstall', 'prepare'];
  expect(Object.keys(manifest.scripts).filter((name) => hooks.includes(name))).toEqual([]);
});

test('koffi is the only dependency, and every peer is optional', () => {
  expect(Object.keys(manifest.dependencies)).toEqual(['koffi']);
  for (const peer of Object.keys(manifest.peerDependencies)) {
    expect(manifest.peerDependenciesMeta[peer]).toEqual({ optional: true });
  }
});

test('every module of src/integrations has its entry', () => {
  const entries = Object.keys(manifest.exports);
  for (const file of readdirSync('src/integrations'))
    expect(entries).toContain(`./${file.replace('.ts', '')}`);
});
